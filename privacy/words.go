package privacy

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"referral/internal/ru"
	"referral/models"
)

// columnTitles is what the columns hold, in Russian. Those without a title are for the
// program alone and not on the page. A test demands that
// each is named.
var columnTitles = map[string]string{
	"account_id": "", "imported": "", "storage_period": "", "adjustment_id": "", "package_id": "", "invitation_id": "", "decision_id": "", "id": "", "key": "",
	"digest": "", "provenance": "", "registered_provenance": "", "promo_ended_provenance": "", "terminated_provenance": "", "profile_provenance": "",
	"run_id": "", "chunk_no": "", "seq": "", "sequence": "", "attempts": "", "put_off": "", "next_try_at": "", "claimed_at": "", "carrier": "", "carrier_id": "",
	"in_doubt": "", "topic": "", "partition": "", "offset": "", "published_at": "", "replayed_at": "", "event_type": "", "headers": "", "items": "", "lines": "",
	"invoice_revision": "", "step": "", "ordinal": "", "part": "", "posting": "", "resend_id": "", "undoes": "",
	"data": "", "event_id": "", "document_id": "", "attempt": "", "order_id": "", "basis": "", "reasons": "", "trace_context": "",

	"name": "Название", "tax_id": "ИНН", "email": "Электронная почта", "phone": "Телефон", "profile_at": "Сведения на",
	"promo_until": "Окончание промопериода по регистрации", "promo_ends_at": "Окончание промопериода", "promo_ended_at": "Промопериод закончился",
	"registered_at": "АТС подключена", "terminated_at": "АТС отключена", "erased_at": "Персональные данные стерты",
	"code": "Код", "requested_at": "Введен", "status": "Состояние", "state": "Состояние", "reason": "Причина", "inviter_id": "Пригласил клиент",
	"invitee_id": "Приглашен клиент", "activated_at": "Код принят", "revoked_from": "Не учитывается с", "kind": "Вид", "from_day": "Первый день",
	"to_day": "Первый день без скидки", "percent": "Скидка, %", "sms": "SMS", "granted_on": "Дата", "given_on": "Дата", "invoice_id": "Счет", "period": "Месяц",
	"posting_period": "Месяц проводки", "revision": "Редакция счета", "currency": "Валюта", "amount_minor": "Сумма", "posted_at": "Проведено", "at": "Время",
	"channel": "Способ", "recipient": "Получатель", "day": "День", "created_at": "Создано", "changed_at": "Изменено", "taken": "Приглашений", "entered_at": "Участвует с",
	"seen_at": "Последнее действие", "expires_at": "Истекает", "ends_at": "Заканчивается не позднее", "taken_at": "Время запроса", "answer": "Ответ",
	"value": "Сообщение", "corrected": "Исправленное сообщение", "sent_at": "Отправлено", "set_aside_at": "Отложено", "detail": "Подробности", "what": "Действие",
	"latest_reason": "Последняя причина", "latest_detail": "Последние подробности", "decided_at": "Решено", "decided": "По решению сотрудников (1 — да)",
	"service": "Услуга", "line_id": "Строка счета", "documents": "Документов", "packages": "Пакетов SMS", "reaches_full": "Скидка 100%", "error": "Ошибка",
	"parked": "Рассчитать не удалось", "parked_at": "Рассчитать не удалось", "rejected_at": "Отклонено", "written_off_at": "Списано", "noted_at": "Отмечено",
	"signs": "Признаки", "found_at": "Найдено", "file": "Файл", "line": "Строка", "source": "Источник", "type": "Событие",
}

// codeColumns is the columns whose values are codes.
var codeColumns = map[string]bool{"status": true, "state": true, "reason": true, "kind": true, "channel": true, "what": true, "signs": true}

// valueTitles is codes of states, kinds and acts, in Russian.
var valueTitles = map[string]string{
	string(models.ActivationPending): "ожидает", string(models.ActivationAccepted): "принят", string(models.ActivationRefused): "отклонен",
	string(models.NotRegistered): "АТС не подключена", string(models.UnknownCode): "такого кода нет", string(models.OwnCode): "собственный код",
	string(models.OwnCompany): "код той же компании", string(models.AlreadyActivated): "код уже принят", string(models.WindowClosed): "срок ввода истек",
	"invitee": "скидка нового клиента", "inviter": "скидка за приглашения", "agreed": "скидка по договоренности",
	string(models.InvitationQueued): "ожидает отправки", string(models.InvitationSending): "отправляется", string(models.InvitationSent): "отправлено",
	string(models.InvitationDelivered): "доставлено", string(models.InvitationFailed): "не отправлено", string(models.InvitationUnknown): "неизвестно",
	string(models.InvitationOptedOut): "получатель отказался", "email": "электронная почта", "sms": "SMS",
	string(models.ReasonRun): "расчет месяца", string(models.ReasonLateFact): "поздние сведения", string(models.ReasonInvoiceRevised): "счет изменен",
	string(models.ReasonRevoked): "приглашение отменено", string(models.ReasonBookedElsewhere): "скидка прежней системы", string(models.ResultApplied): "применено", string(models.ResultRejected): "отклонено",
	string(models.SuspiciousTaxID): "один ИНН", string(models.SuspiciousPhone): "один телефон",
	string(models.SuspiciousDomain): "один домен почты", string(models.SuspiciousPayer): "один плательщик", string(models.SuspiciousRing): "приглашения по кругу",
	string(models.SuspiciousBurst): "много приглашений за час",
	string(models.ActionErase):     "стерты персональные данные", string(models.ActionExportPerson): "выгружены персональные данные",
}

// shown is a value of a column as a client reads it.
func shown(column string, value any, zone *time.Location) string {
	switch v := value.(type) {
	case nil:
		return ""
	case json.Number:
		n, err := strconv.ParseInt(v.String(), 10, 64)
		switch {
		case err != nil:
		case column == "amount_minor":
			return ru.Money(models.Money(n), "")
		case (column == "period" || column == "posting_period") && n%100 >= 1 && n%100 <= 12:
			return ru.MonthTitle(models.Period(n))
		}
		return v.String()
	case string:
		if title, known := valueTitles[v]; known && codeColumns[column] {
			return title
		}
		if at, err := time.Parse(time.RFC3339, v); err == nil {
			return ru.Moment(at, zone)
		}
		if day, err := models.ParseDate(v); err == nil {
			return ru.Date(day)
		}
		if digits, bytes := strings.CutPrefix(v, `\x`); bytes {
			if text, err := hex.DecodeString(digits); err == nil && utf8.Valid(text) {
				return string(text)
			}
		}
		return v
	case []any:
		texts := make([]string, len(v))
		for i := range v {
			texts[i] = shown(column, v[i], zone)
		}
		return strings.Join(texts, ", ")
	}
	return fmt.Sprint(value)
}
