package dashboards

// pages is all dashboards.
func pages() []page { return []page{onCall(), monthEnd(), finance()} }

// onCall answers whether anything does not work, and what.
func onCall() page {
	return page{uid: "referral-on-call", title: "Referral: on call", from: "now-6h", rows: []row{
		{"Now", []panel{
			alarm("Alerts", `count(ALERTS{alertname=~"Referral.*", alertstate="firing"}) or vector(0)`),
			figure("Processes", number, `count(referral_build_info)`).redBelow(1),
			alarm("Failing checks", `count(referral_readiness_up == 0) or vector(0)`).means("Checks of /readyz that fail, in all processes."),
			figure("Publishers", number, `sum(referral_publisher_leader)`).redBelow(1).means("Exactly one process publishes."),
			alarm("Dead letters", `max(referral_programme_dead_letters)`),
			alarm("Held accounts", `sum(referral_publisher_held_accounts)`).means("Accounts whose messages the broker refuses."),
		}},
		{"Alerts and service levels", []panel{
			graph("Alerts that fire", number, query{`sum by (alertname) (ALERTS{alertname=~"Referral.*", alertstate="firing"})`, "{{alertname}}"}),
			graph("Checks", number, query{`min by (check) (referral_readiness_up)`, "{{check}}"}),
			graph("Share of a service level that is missed, in an hour", share, query{`referral:slo_error:ratio_rate1h`, "{{slo}}"}),
			graph("Use of the error budget, as a multiple of the allowed rate", number,
				query{`referral:slo_error:ratio_rate1h / on (slo) (1 - referral:slo_objective:ratio)`, "{{slo}}"}),
		}},
		{"Taking in", []panel{
			graph("Messages", perSec, query{`sum by (outcome) (rate(referral_consumer_messages_total[$__rate_interval]))`, "{{outcome}}"}),
			graph("Lag", number, query{`sum by (topic) (referral_consumer_lag_messages)`, "{{topic}}"}),
			graph("Age of the oldest unread message", seconds, query{`max by (topic) (referral_consumer_oldest_unread_age_seconds)`, "{{topic}}"}),
			graph("Transaction of the ingest, 99 %", seconds,
				query{`histogram_quantile(0.99, sum by (le) (rate(referral_consumer_ingest_duration_seconds_bucket[$__rate_interval])))`, "99 %"},
				query{`histogram_quantile(0.5, sum by (le) (rate(referral_consumer_ingest_duration_seconds_bucket[$__rate_interval])))`, "50 %"}),
			graph("What the broker did", number,
				query{`sum by (topic) (increase(referral_consumer_lost_messages_total[$__rate_interval]))`, "lost {{topic}}"},
				query{`sum by (topic) (increase(referral_consumer_recreated_partitions_total[$__rate_interval]))`, "recreated {{topic}}"},
				query{`sum by (topic) (increase(referral_consumer_stalls_total[$__rate_interval]))`, "stalled {{topic}}"},
				query{`sum by (topic) (increase(referral_consumer_fetch_errors_total[$__rate_interval]))`, "fetch errors {{topic}}"}),
			graph("Joins of the group", number, query{`sum(increase(referral_consumer_group_joins_total[$__rate_interval]))`, "joins"}),
		}},
		{"Publishing", []panel{
			graph("Published", perSec, query{`sum by (type) (rate(referral_publisher_published_messages_total[$__rate_interval]))`, "{{type}}"}),
			graph("Backlog", number, query{`max by (stream) (referral_publisher_backlog_messages)`, "{{stream}}"}),
			graph("Age of the oldest unpublished message", seconds, query{`max(referral_publisher_backlog_oldest_age_seconds)`, "age"}),
			graph("Errors", number, query{`sum by (operation) (increase(referral_publisher_errors_total[$__rate_interval]))`, "{{operation}}"}),
		}},
		{"Sites", []panel{
			graph("Requests", perSec, query{`sum by (site, status) (rate(referral_web_requests_total[$__rate_interval]))`, "{{site}} {{status}}"}),
			graph("Duration of requests, 99 %", seconds,
				query{`histogram_quantile(0.99, sum by (site, le) (rate(referral_web_request_duration_seconds_bucket[$__rate_interval])))`, "{{site}}"}),
			graph("OpenID provider", number, query{`min by (site) (referral_auth_provider_up)`, "{{site}}"}),
			graph("Sign-ins", number, query{`sum by (site, result) (increase(referral_auth_sign_ins_total[$__rate_interval]))`, "{{site}} {{result}}"}),
		}},
		{"Invitations", []panel{
			graph("Transports", number, query{`min by (channel, transport) (referral_notify_transport_up)`, "{{channel}} {{transport}}"}),
			graph("Attempts to send", number, query{`sum by (channel, outcome) (increase(referral_notify_send_attempts_total[$__rate_interval]))`, "{{channel}} {{outcome}}"}),
			graph("Queue", number, query{`max by (channel, state) (referral_notify_queue_invitations)`, "{{channel}} {{state}}"}),
			graph("Age of the oldest waiting invitation", seconds, query{`max by (channel) (referral_notify_queue_oldest_age_seconds)`, "{{channel}}"}),
		}},
		{"Processes", []panel{
			graph("Connections to the database", number, query{`go_sql_in_use_connections`, "{{instance}} in use"}, query{`go_sql_max_open_connections`, "{{instance}} at most"}),
			graph("Waiting for a connection", seconds, query{`rate(go_sql_wait_duration_seconds_total[$__rate_interval])`, "{{instance}}"}),
			graph("Memory", "bytes", query{`process_resident_memory_bytes`, "{{instance}}"}),
			graph("Processors", number, query{`rate(process_cpu_seconds_total[$__rate_interval])`, "{{instance}}"}),
			graph("Panics and clock jumps", number,
				query{`sum by (component) (increase(referral_panics_total[$__rate_interval]))`, "panic {{component}}"},
				query{`sum by (direction) (increase(referral_scheduler_clock_jumps_total[$__rate_interval]))`, "clock {{direction}}"}),
			graph("What the database refused", number,
				query{`sum by (sqlstate) (increase(referral_database_limit_errors_total[$__rate_interval]))`, "limit {{sqlstate}}"},
				query{`sum by (sqlstate) (increase(referral_database_rejected_statements_total[$__rate_interval]))`, "rejected {{sqlstate}}"}),
			graph("Files that cannot be used", number, query{`max by (setting) (referral_files_unusable)`, "{{setting}}"}),
			graph("Days until certificates expire", number, query{`(min by (setting) (referral_certificate_expiry_timestamp_seconds) - time()) / 86400`, "{{setting}}"}),
		}},
	}}
}

// monthEnd answers how far the month is.
func monthEnd() page {
	return page{uid: "referral-month-end", title: "Referral: month-end", from: "now-2d", rows: []row{
		{"Now", []panel{
			figure("Settled until", date, `1000 * max(referral_programme_last_settled_month_end_timestamp_seconds)`).means("The end of the newest month that is settled with nothing parked, a midnight of UTC."),
			figure("Last successful run", date, `1000 * max(referral_programme_last_successful_run_timestamp_seconds)`),
			alarm("Held by the brake", `max(referral_programme_runs{state="braked"})`),
			alarm("Parked", `max(referral_programme_parked)`),
			alarm("Rejected documents", `max(referral_programme_rejected_documents)`),
			alarm("Breaks", `sum(max by (period) (referral_programme_reconciliation_breaks))`).means("Found by the last nightly reconciliation, in all months."),
		}},
		{"Before the run", []panel{
			graph("Unread messages", number, query{`sum by (topic) (referral_consumer_lag_messages)`, "{{topic}}"}),
			graph("Dead letters and activations that wait", number,
				query{`max(referral_programme_dead_letters)`, "dead letters"}, query{`max(referral_programme_pending_activations)`, "activations without a registration"}),
		}},
		{"The run", []panel{
			graph("Runs", number, query{`max by (state) (referral_programme_runs)`, "{{state}}"}),
			graph("Orders of persons", number, query{`max by (state) (referral_programme_run_orders)`, "{{state}}"}),
			graph("Accounts settled", perSec, query{`sum(rate(referral_settlement_accounts_total[$__rate_interval]))`, "accounts"}),
			graph("Posted", number,
				query{`sum(increase(referral_settlement_documents_total[$__rate_interval]))`, "documents"},
				query{`sum(increase(referral_settlement_packages_total[$__rate_interval]))`, "packages"}),
			graph("Amount posted", roubles, query{`sum by (kind) (increase(referral_settlement_amount_kopecks_total[$__rate_interval])) / 100`, "{{kind}}"}),
			graph("Duration of runs", seconds, query{`sum by (kind) (referral_settlement_run_duration_seconds_sum) / sum by (kind) (referral_settlement_run_duration_seconds_count)`, "{{kind}}, mean"}),
			graph("Accounts to settle again", number, query{`max(referral_programme_stale_accounts)`, "accounts"}),
			graph("Rehearsed chunks lost by the temporary directory", number, query{`sum by (instance) (increase(referral_settlement_rehearsal_cache_errors_total[$__rate_interval]))`, "{{instance}}"}),
		}},
		{"After the run", []panel{
			graph("Not published yet", number, query{`max by (stream) (referral_publisher_backlog_messages)`, "{{stream}}"}),
			graph("Breaks by month", number, query{`max by (period) (referral_programme_reconciliation_breaks)`, "{{period}}"}),
			graph("Entitled and not discounted", number, query{`max by (period) (referral_programme_entitled_not_discounted_accounts)`, "{{period}}"}),
			graph("Discounted and not entitled", number, query{`max by (period) (referral_programme_discounted_not_entitled_accounts)`, "{{period}}"}),
			graph("Held lines", number, query{`max by (service) (referral_programme_held_lines)`, "{{service}}"}),
			graph("Since the whole journal was checked", seconds, query{`time() - max(referral_programme_journal_check_timestamp_seconds)`, "age"}),
			graph("Packages that wait for an invoice", number, query{`max by (period) (referral_programme_pending_packages)`, "{{period}}"}),
		}},
	}}
}

// finance answers what the programme costs, and what finance has to look at. Its readers
// read Russian.
func finance() page {
	return page{uid: "referral-finance", title: "Реферальная программа: финансы", from: "now-35d", rows: []row{
		{"Сейчас", []panel{
			figure("Месяцы рассчитаны по", date, `1000 * max(referral_programme_last_settled_month_end_timestamp_seconds)`).means("Конец последнего рассчитанного месяца, полночь по UTC."),
			alarm("Расхождения", `sum(max by (period) (referral_programme_reconciliation_breaks))`).means("Найдены последней ночной сверкой, по всем месяцам."),
			alarm("Отклонены биллингом", `max(referral_programme_rejected_documents)`).means("Документы, по которым еще нет решения."),
			alarm("Не рассчитаны", `max(referral_programme_parked)`).means("Клиенты и счета, которые не удалось рассчитать."),
			alarm("Ждут решения о превышении", `max(referral_programme_runs{state="braked"})`).means("Расчеты, остановленные ограничением."),
			alarm("Сообщения в очереди", `max(referral_programme_dead_letters)`).means("Сообщения, которые не удалось учесть."),
		}},
		{"Деньги", []panel{
			graph("Проведено за сутки", roubles, query{`sum by (kind) (increase(referral_settlement_amount_kopecks_total[1d])) / 100`, "{{kind}}"}),
			graph("Документы и пакеты за сутки", number,
				query{`sum(increase(referral_settlement_documents_total[1d]))`, "документы"}, query{`sum(increase(referral_settlement_packages_total[1d]))`, "пакеты SMS"}),
			graph("Недодано скидок", roubles, query{`max by (period) (referral_programme_entitled_not_discounted_kopecks) / 100`, "{{period}}"}).
				means("На сколько скидки клиентов меньше, чем следует из фактов, по ночной сверке."),
			graph("Передано скидок", roubles, query{`max by (period) (referral_programme_discounted_not_entitled_kopecks) / 100`, "{{period}}"}).
				means("На сколько скидки клиентов больше, чем следует из фактов, по ночной сверке."),
			graph("Строки без решения по услуге", number, query{`max by (service) (referral_programme_held_lines)`, "{{service}}"}),
			graph("Пакеты SMS ждут счета", number, query{`max by (period) (referral_programme_pending_packages)`, "{{period}}"}),
		}},
		{"Программа", []panel{
			figure("Клиенты", number, `max(referral_programme_accounts)`).means("Примерно."),
			figure("Обещанные скидки", number, `max(referral_programme_promised_discounts)`).means("Начнутся, когда закончится промопериод."),
			figure("Коды ждут регистрации", number, `max(referral_programme_pending_activations)`),
			graph("Введенные коды за сутки", number, query{`sum by (outcome) (increase(referral_portal_activations_total[1d]))`, "{{outcome}}"}),
			graph("Приглашения за сутки", number, query{`sum by (outcome) (increase(referral_portal_invitations_total[1d]))`, "{{outcome}}"}),
		}},
	}}
}
