package finance

import (
	"fmt"
	"strings"

	"referral/billing"
	"referral/models"
)

// status is a state in a word, and the look that goes with it.
type status struct{ words, look string }

// states is every state and reason that the pages name, by its value.
var states = map[any]status{
	models.RoleSupport:    {"поддержка", ""},
	models.RoleFinance:    {"финансы", ""},
	models.RoleController: {"контролер", ""},
	models.RoleAuditor:    {"аудитор", ""},

	models.PeriodOpen:      {"Открыт", "plain"},
	models.PeriodRehearsed: {"Есть проверочный расчет", "wait"},
	models.PeriodRun:       {"Рассчитан", "good"},
	models.PeriodClosed:    {"Закрыт", "plain"},

	models.RunRehearsing: {"Идет проверочный расчет", "wait"},
	models.RunBraked:     {"Остановлен пределами, ждет решения", "bad"},
	models.RunPosting:    {"Идет расчет", "wait"},
	models.RunDone:       {"Рассчитан", "good"},
	models.RunIncomplete: {"Рассчитан не полностью", "bad"},
	models.RunAbandoned:  {"Отменен", "plain"},

	models.ActivationPending:  {"Ждет регистрации", "wait"},
	models.ActivationAccepted: {"Принят", "good"},
	models.ActivationRefused:  {"Отклонен", "bad"},

	models.NotRegistered:    {"клиент еще не зарегистрирован", ""},
	models.UnknownCode:      {"такого кода нет", ""},
	models.OwnCode:          {"собственный код клиента", ""},
	models.OwnCompany:       {"код той же компании (тот же ИНН)", ""},
	models.AlreadyActivated: {"другой код уже принят", ""},
	models.WindowClosed:     {"срок ввода кода закончился", ""},
	models.Withdrawn:        {"клиент код не вводил, решение принять его отменено", ""},

	models.InvitationQueued:    {"Ждет отправки", "wait"},
	models.InvitationSending:   {"Отправляется", "wait"},
	models.InvitationSent:      {"Отправлено", "good"},
	models.InvitationDelivered: {"Доставлено", "good"},
	models.InvitationFailed:    {"Не доставлено", "bad"},
	models.InvitationUnknown:   {"Неизвестно, отправлено ли", "plain"},
	models.InvitationOptedOut:  {"Получатель отказался от приглашений", "plain"},

	models.Invitee: {"Новый клиент", ""},
	models.Inviter: {"За приведенных клиентов", ""},
	models.Agreed:  {"По отдельной договоренности", ""},
	ModeShadow:     {"Теневой", ""},
	ModePublished:  {"Обычный", ""},
	CauseInvoices:  {"Счета выросли, уменьшились или появились", ""},
	// The kinds of control totals.
	"invitee":     {"Новый клиент", ""},
	"inviter":     {"За приведенных клиентов", ""},
	"both":        {"За приведенных клиентов и новый клиент", ""},
	"agreed":      {"По отдельной договоренности", ""},
	"mixed":       {"По договоренности и другие скидки", ""},
	"unexplained": {"Без дней скидки", ""},
	"sms":         {"Пакеты SMS", ""},
	"discounts":   {"Скидки", ""},
	"packages":    {"Пакеты SMS", ""},

	billing.DocumentPosted:      {"Не передан", "wait"},
	billing.DocumentPublished:   {"Передан, ответа нет", "wait"},
	billing.DocumentApplied:     {"Проведен", "good"},
	billing.DocumentRejected:    {"Отклонен", "bad"},
	billing.DocumentResent:      {"Передан повторно", "wait"},
	billing.DocumentWrittenOff:  {"Списан", "plain"},
	billing.DocumentShadow:      {"Теневой: не передается", "plain"},
	billing.DocumentGivenBefore: {"Выдан прежней системой", "good"},

	models.ResultNone:     {"ответа нет", ""},
	models.ResultApplied:  {"проведен", ""},
	models.ResultRejected: {"отклонен", ""},

	models.ReasonRun:             {"расчет за месяц", ""},
	models.ReasonLateFact:        {"данные поступили позже", ""},
	models.ReasonInvoiceRevised:  {"счет изменился", ""},
	models.ReasonRevoked:         {"приведение отозвано", ""},
	models.ReasonBookedElsewhere: {"дала прежняя система", ""},

	models.ActionAcceptRun:           {"разрешил расчет сверх пределов", ""},
	models.ActionRevoke:              {"отозвал приведение", ""},
	models.ActionAcceptCode:          {"принял код", ""},
	models.ActionUndo:                {"отменил решение", ""},
	models.DecisionRevoke:            {"Приведение отозвано", "bad"},
	models.DecisionAcceptCode:        {"Код принят", "good"},
	models.DecisionUndo:              {"Решение отменено", "plain"},
	models.ActionClassifyService:     {"решил об услуге", ""},
	models.ActionUndoServiceDecision: {"отменил решение об услуге", ""},
	models.ServiceDiscounted:         {"Скидка действует", "good"},
	models.ServiceExcluded:           {"Скидка не действует", "plain"},
	models.ActionRehearse:            {"заказал проверочный расчет", ""},
	models.ActionRun:                 {"заказал расчет", ""},
	models.ActionWhatIf:              {"заказал сравнение условий", ""},
	models.ActionClose:               {"подписал месяц", ""},
	models.ActionCloseOverride:       {"подписал месяц вопреки возражениям", ""},
	models.ActionSignAgain:           {"повторил подпись", ""},
	models.ActionReopen:              {"отозвал подпись", ""},
	models.ActionApplyTerms:          {"ввел условия в действие", ""},
	models.ActionReplay:              {"вернул сообщение", ""},
	models.ActionReplayCorrected:     {"исправил и вернул сообщение", ""},
	models.ActionDiscard:             {"отбросил сообщение", ""},
	models.ActionResend:              {"передал документ повторно", ""},
	models.ActionWriteOff:            {"списал документ", ""},
	models.ActionPropose:             {"предложил", ""},
	models.ActionApprove:             {"утвердил", ""},
	models.ActionReject:              {"отклонил предложение", ""},
	models.ActionWithdraw:            {"отозвал предложение", ""},
	models.ActionSuspicionSeen:       {"посмотрел подозрение", ""},
	models.ActionBeginImport:         {"начал загрузку данных прежней системы", ""},
	models.ActionImport:              {"загрузил данные прежней системы", ""},
	models.ActionBook:                {"учел скидки прежней системы", ""},
	models.ActionRecover:             {"восстановил из темы событий", ""},
	models.ActionErase:               {"стер персональные данные", ""},
	models.ActionExportPerson:        {"выгрузил персональные данные", ""},
	models.ActionCheckJournal:        {"проверил журнал", ""},
	models.ActionSignIn:              {"вход", ""},
	models.ActionConfiguration:       {"запуск с другими настройками", ""},

	models.OrderRehearsal:   {"Проверочный расчет", ""},
	models.OrderRun:         {"Расчет", ""},
	models.OrderAcceptedRun: {"Расчет сверх пределов", ""},
	models.OrderWhatIf:      {"Сравнение условий", ""},
	models.OrderSign:        {"Подпись месяца", ""},
	models.OrderWaiting:     {"Ждет службы расчета", "wait"},
	models.OrderWorking:     {"Выполняется", "wait"},
	models.OrderDone:        {"Выполнен", "good"},
	models.OrderFailed:      {"Не удался", "bad"},

	models.RunRegular:     {"весь месяц", ""},
	models.RunDifferences: {"изменения после расчета", ""},
	models.RunFull:        {"все клиенты заново", ""},
	models.RunBooked:      {"по данным прежней системы", ""},

	models.ProposalOpen:      {"Ждет решения", "wait"},
	models.ProposalApproved:  {"Утверждено", "good"},
	models.ProposalRejected:  {"Отклонено", "bad"},
	models.ProposalWithdrawn: {"Отозвано", "plain"},

	// Causes of a change against the month before.
	billing.CauseNewInviter:   {"Новые приглашающие: скидка за приведенных клиентов появилась", ""},
	billing.CauseStepUp:       {"Ступень выросла или скидка действовала больше дней", ""},
	billing.CauseLadderEnded:  {"Скидка за приведенных клиентов кончилась или стала меньше", ""},
	billing.CauseAgreed:       {"Скидка по отдельной договоренности началась, закончилась или действовала другое число дней", ""},
	billing.CauseNewClient:    {"Скидка нового клиента началась или действовала больше дней", ""},
	billing.CauseClientsEnded: {"Скидка нового клиента кончилась или действовала меньше дней", ""},

	models.SuspiciousRing:   {"Клиенты пригласили друг друга по кругу", ""},
	models.SuspiciousTaxID:  {"один ИНН", ""},
	models.SuspiciousPhone:  {"один телефон", ""},
	models.SuspiciousEmail:  {"один адрес почты", ""},
	models.SuspiciousDomain: {"один домен почты", ""},
	models.SuspiciousPayer:  {"Пригласивший и новый клиент — один плательщик", ""},
	models.SuspiciousBurst:  {"Много клиентов по одному коду за час", ""},

	models.NotBookedUnknownInvoice: {"такого счета нет", ""},
	models.NotBookedUnknownAccount: {"такого клиента нет", ""},
	models.NotBookedOtherMonth:     {"это счет другого месяца", ""},
	models.NotBookedNoInvoice:      {"у клиента нет счета за этот месяц", ""},
	models.NotBookedRefused:        {"провести нельзя", ""},
	models.NotBookedMeanwhile:      {"пока проводили, данные изменились", ""},

	models.BadUnreadable:  {"сообщение не читается", ""},
	models.BadUnknownType: {"неизвестный вид события", ""},
	models.BadField:       {"неверное значение поля", ""},
	models.BadConflict:    {"противоречит известному", ""},
	models.BadRefused:     {"отвергнуто базой или правилами", ""},
}

// Words names a role or a list of them, a state or a reason in Russian; a value that has no words is
// returned as it is written.
func Words(value any) string {
	if s, ok := states[value]; ok {
		return s.words
	}
	if roles, ok := value.(models.Role); ok && strings.Contains(string(roles), ", ") {
		var words []string
		for role := range strings.SplitSeq(string(roles), ", ") {
			words = append(words, Words(models.Role(role)))
		}
		return strings.Join(words, ", ")
	}
	return fmt.Sprint(value)
}

// Look is the look of a state: "good", "bad", "wait" or "plain".
func Look(value any) string {
	if s, ok := states[value]; ok {
		return s.look
	}
	return "plain"
}

// MonthState is the state of a month that matters most: what a run is doing, then
// whether the month is closed.
func MonthState(m *models.MonthOverview) any {
	if m.LastRun != nil && m.LastRun.State != models.RunDone {
		return m.LastRun.State
	}
	if m.State == models.PeriodOpen && !m.RehearsedAt.IsZero() {
		return models.PeriodRehearsed
	}
	return m.State
}

// BreakText says in Russian what does not tie, and what to do about it.
type BreakText struct{ What, Do string }

var breakTexts = map[billing.BreakKind]BreakText{
	billing.BreakNotPosted:        {"Положено больше, чем проведено", "проведет ближайший расчет; если месяц не сходится и после него — referral run --full"},
	billing.BreakNotEntitled:      {"Проведено больше, чем положено", "проведет ближайший расчет; если месяц не сходится и после него — referral run --full"},
	billing.BreakOtherLines:       {"Проведено на другие строки счета", "referral run --full"},
	billing.BreakStray:            {"Документ без счета", "найти счет в биллинге и передать его снова"},
	billing.BreakAltered:          {"Документ изменен", "сверить с биллингом и с резервной копией: реестр меняли в обход службы"},
	billing.BreakMissing:          {"Документа нет в реестре", "сверить с биллингом и с резервной копией: реестр меняли в обход службы"},
	billing.BreakUnpublished:      {"Документ не передан", "проверить, работает ли передача в Kafka"},
	billing.BreakIncomplete:       {"Часть расчета в реестре не видна целиком", "сверить с резервной копией: реестр меняли в обход службы"},
	billing.BreakUnanswered:       {"Биллинг не ответил", "узнать в биллинге, получен ли документ"},
	billing.BreakRejected:         {"Биллинг отклонил документ", "передать повторно или списать"},
	billing.BreakPaidWrittenOff:   {"Биллинг провел списанный документ", "клиент мог получить сумму дважды: отменить проводку в биллинге"},
	billing.BreakAnsweredMore:     {"Биллинг провел больше, чем в документе", "исправить проводку в биллинге"},
	billing.BreakAnsweredLess:     {"Биллинг провел меньше, чем в документе", "исправить проводку в биллинге"},
	billing.BreakUnknownReply:     {"Биллинг провел документ, которого нет в реестре", "сверить с биллингом: документ пропал или не наш"},
	billing.BreakDerivedMore:      {"Сохраненные скидки больше положенных", "referral terms apply рассчитает их заново"},
	billing.BreakDerivedLess:      {"Сохраненные скидки меньше положенных", "referral terms apply рассчитает их заново"},
	billing.BreakDerivedOtherwise: {"Сохраненные скидки на другие дни", "referral terms apply рассчитает их заново"},
	billing.BreakDecision:         {"Сохраненное не соответствует решениям сотрудников", "сравните решения и запросы на странице клиента; исправляет администратор базы данных"},
	billing.BreakNotCalculated:    {"Рассчитать не удалось", "причина — в описании; счет или условия нужно исправить"},
	billing.BreakMoreThanSigned:   {"Проведено больше, чем подписано, и исправления этого не объясняют", "сверить с резервной копией"},
	billing.BreakLessThanSigned:   {"Проведено меньше, чем подписано, и исправления этого не объясняют", "сверить с резервной копией"},
	billing.BreakTotals:           {"Итоги различаются, и ни один документ этого не объясняет", "сообщить разработчикам"},
}

// BreakWords is what a break of a kind is called, and what to do about it.
func BreakWords(kind string) BreakText {
	if text, ok := breakTexts[billing.BreakKind(kind)]; ok {
		return text
	}
	return BreakText{What: kind}
}

// objections is what may stand against signing a month and against taking the signature
// back: how it begins where it is recorded, in Russian, and the check that shows it before.
var objections = []struct{ recorded, words, check string }{
	{"it is not over before", "месяц заканчивается", checkOver},
	{"it does not tie:", "не сходится, расхождений:", checkTies},
	{"accounts to be settled again:", "клиентов с поздними данными:", checkStale},
	{"the brake holds a run that would post to it", "расчет остановлен пределами", checkBrake},
	{"rows of the older system that are not booked:", "не проведено строк прежней системы:", checkBooked},
	{"earlier periods are open:", "не подписаны прежние месяцы:", checkEarlier},
	{"parked accounts and invoices:", "не рассчитано клиентов и счетов:", checkParked},
	{"lines of services that the terms do not name:", "строк услуг, которых нет в условиях:", checkHeld},
	{"packages of earlier months that no invoice has named:", "пакетов SMS месяцев без счетов:", checkPackets},
	{"it has not been run", "расчет не проведен", ""},
	{"the register has changed since the signature was proposed", "после того как подпись предложили, в месяц проведены другие документы", ""},
	{"a run is under way that posts to it", "идет расчет, который проводит в этот месяц", ""},
	{models.ErrPostedMeanwhile.Error(), "пока месяц сверяли, расчет провел в него документы", ""},
	// Against taking a signature back.
	{"it is not closed", "месяц не подписан", ""},
	{"later periods are closed:", "подписаны более поздние месяцы:", ""},
	{"a run of it is under way", "идет расчет этого месяца", ""},
}

// ObjectionWords is what stands against signing a month, in Russian; what has no words
// is returned as it is recorded.
func ObjectionWords(recorded string) string {
	for _, o := range objections {
		rest, found := strings.CutPrefix(recorded, o.recorded)
		if !found {
			continue
		}
		// What follows is a number or names, then for some a command.
		rest, _, _ = strings.Cut(rest, " (")
		rest, _, _ = strings.Cut(rest, " break")
		rest, _, _ = strings.Cut(rest, ": `")
		if !strings.HasSuffix(o.words, ":") && !strings.HasPrefix(recorded, "it is not over") {
			rest = ""
		}
		return o.words + rest
	}
	return recorded
}
