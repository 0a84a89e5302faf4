package main

import (
	"html/template"
	"net/http"

	"referral/web/door"
)

// placeholderRoutes stand where the pages will: they show who has been let in.
func placeholderRoutes() []door.Route {
	return []door.Route{
		{Pattern: "GET " + door.HomePath, Rule: door.ClientPage, Handler: http.HandlerFunc(showVisitor)},
	}
}

var visitorPage = template.Must(template.New("visitor").Parse(`<!doctype html>
<html lang="ru"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>Реферальная программа</title><link rel="stylesheet" href="/referral/door.css"></head>
<body><main><h1>Реферальная программа</h1><p>Вы вошли как клиент {{.AccountID}}.</p>
<form method="post" action="/referral/sign-out"><button class="button">Выйти</button></form></main></body></html>
`))

func showVisitor(w http.ResponseWriter, r *http.Request) {
	v, _ := door.VisitorOf(r.Context())
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	if err := visitorPage.Execute(w, v); err != nil {
		door.NoteError(r.Context(), err)
	}
}
