package pages

import (
	"time"

	"referral/billing"
	"referral/internal/ru"
	"referral/models"
	"referral/web/portal"
)

// Why a code is not accepted.
var reasonWords = map[models.Reason]string{
	models.UnknownCode:      "Такого кода нет. Проверьте, нет ли опечатки: код состоит из латинских букв и цифр.",
	models.OwnCode:          "Это ваш собственный код. Введите код того, кто вас пригласил.",
	models.OwnCompany:       "Этот код принадлежит вашей же компании: у нее тот же ИНН. Скидка дается за приглашение другой компании.",
	models.AlreadyActivated: "Вы уже вводили код-приглашение. Ввести его можно только один раз.",
	models.WindowClosed:     "Срок ввода кода закончился.", // the page explains it in the place of the field
	models.NotRegistered:    "Сведения о регистрации вашей АТС еще не поступили. Код сохранен и будет проверен, как только они придут.",
}

// refusalWords is why a code was not accepted. Throttling hides every other reason, so
// that guessing reveals nothing.
func refusalWords(v portal.ActivationResult) string {
	if v.Wait > 0 {
		return tooManyTries(v.Wait)
	}
	if words, ok := reasonWords[v.Reason]; ok {
		return words
	}
	return "Код не принят. Если вы уверены, что он верный, обратитесь в поддержку."
}

func tooManyTries(wait time.Duration) string {
	return "Слишком много попыток ввода кода. Попробуйте снова через " + ru.Wait(wait) + "."
}

// Why an invitation is not sent. InviteBadRecipient depends on the channel.
var inviteRefusalWords = map[portal.InviteRefusal]string{
	portal.InvitePremiumNumber:  "Сообщения на этот номер платные, поэтому мы на него не пишем. Укажите обычный мобильный номер.",
	portal.InviteLookalike:      "Такой адрес легко принять за другой: в нем смешаны похожие буквы или есть знаки, которых не бывает в русских и английских адресах. Наберите его заново.",
	portal.InviteForeignLetters: "Письма на адреса с русскими буквами до знака @ доходят не всегда. Укажите адрес, в котором они латинские, например name@пример.рф.",
	portal.InviteTooMany:        "На сегодня приглашений достаточно: дневной предел исчерпан.",
	portal.InviteAlreadyInvited: "Этому получателю сегодня уже отправляли приглашение.",
	portal.InviteOptedOut:       "Этот получатель отказался от приглашений, и мы ему больше не пишем.",
	portal.InviteNotPossible:    "Сейчас отправить приглашение этим способом нельзя. Скопируйте код и отправьте его личным сообщением.",
}

var badRecipientWords = map[models.Channel]string{
	models.Email: "Проверьте адрес: он должен выглядеть как name@example.ru.",
	models.SMS:   "Проверьте номер: нужен мобильный телефон, например +7 912 345-67-89.",
}

var missingRecipientWords = map[models.Channel]string{
	models.Email: "Введите email получателя.",
	models.SMS:   "Введите телефон получателя.",
}

func inviteWords(channel models.Channel, v portal.InviteResult) string {
	words, ok := inviteRefusalWords[v.Refusal]
	switch {
	case !ok:
		return badRecipientWords[channel]
	case v.Wait > 0:
		return words + " Следующее можно отправить через " + ru.Wait(v.Wait) + "."
	}
	return words
}

// status is a state in words, with its style.
type status struct {
	Words string
	Look  string // "good", "bad", "wait" or "plain": a class of the style sheet
}

var invitationStates = map[models.InvitationState]status{
	models.InvitationQueued:    {"В очереди на отправку", "wait"},
	models.InvitationSending:   {"Отправляется", "wait"},
	models.InvitationSent:      {"Отправлено", "good"},
	models.InvitationDelivered: {"Доставлено", "good"},
	models.InvitationFailed:    {"Не доставлено", "bad"},
	models.InvitationUnknown:   {"Дошло ли, неизвестно; второй раз не отправим", "plain"},
	models.InvitationOptedOut:  {"Получатель отказался от приглашений", "plain"},
}

var channelWords = map[models.Channel]string{models.Email: "email", models.SMS: "SMS"}

var packageStates = map[billing.PackageState]status{
	billing.PackageEarned:     {"Заработан", "wait"},
	billing.PackageOrdered:    {"Передан на подключение", "wait"},
	billing.PackageCredited:   {"Подключен", "good"},
	billing.PackageRejected:   {"Не подключен — обратитесь в поддержку", "bad"},
	billing.PackageWrittenOff: {"Не подключен, вопрос решен отдельно", "plain"},
}

// documentStates is the states of documents; that of an applied one is followed by the
// day.
var documentStates = map[billing.DocumentState]status{
	billing.DocumentPosted:     {"Готовится к передаче", "wait"},
	billing.DocumentPublished:  {"Передано в расчеты", "wait"},
	billing.DocumentApplied:    {"Проведено", "good"},
	billing.DocumentRejected:   {"Не проведено, мы разбираемся", "bad"},
	billing.DocumentResent:     {"Передано в расчеты повторно", "wait"},
	billing.DocumentWrittenOff: {"Не проведено, вопрос решен отдельно", "plain"},
	billing.DocumentShadow:     {"Скидку дает прежняя система расчетов", "plain"},
}

// unbookedWords is the same after a sum.
var unbookedWords = map[billing.DocumentState]string{
	billing.DocumentRejected:   "не проведено, мы разбираемся",
	billing.DocumentResent:     "передано в расчеты повторно",
	billing.DocumentWrittenOff: "не проведено, вопрос решен отдельно",
}

var documentReasons = map[models.AdjustmentReason]string{
	models.ReasonRun:             "Расчет за месяц",
	models.ReasonLateFact:        "Уточнение: данные поступили позже",
	models.ReasonInvoiceRevised:  "Перерасчет: счет изменился",
	models.ReasonRevoked:         "Отмена скидки",
	models.ReasonBookedElsewhere: "Скидка по данным прежней системы",
}

// serviceNames is the services of the default programme; others are shown with the name
// on the invoice.
var serviceNames = map[string]string{
	"subscription": "Абонентская плата",
	"numbers":      "Номера",
	"calls":        "Звонки",
	"recording":    "Запись разговоров",
	"sms_package":  "Пакет SMS",
}

func serviceName(service string) string {
	if name, ok := serviceNames[service]; ok {
		return name
	}
	return service
}
