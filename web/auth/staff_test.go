package auth_test

import (
	"net/http"
	"strings"
	"testing"

	"referral/models"
	"referral/web/auth"
	"referral/web/auth/authtest"
)

// staffRig is a site for staff behind the demo's provider: person 1 has the first claims,
// and so on.
func staffRig(t *testing.T, claims ...map[string]any) *authtest.Rig {
	t.Helper()
	return authtest.New(t, authtest.Options{
		Claims: func(person int64) map[string]any { return claims[person-1] },
		Staff: &auth.StaffClaims{Roles: "staff.roles", Name: "name", Values: map[string]models.Role{
			"rp-support": models.RoleSupport, "rp-finance": models.RoleFinance, "rp-controller": models.RoleController, "rp-auditor": models.RoleAuditor,
		}},
	})
}

func staffRoute(roles ...models.Role) auth.Route {
	return auth.Route{Pattern: "GET /referral/" + string(roles[0]), Access: auth.SignedInPage, Roles: roles, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p, _ := auth.PrincipalOf(r.Context())
		_, _ = w.Write([]byte(p.Staff.Name)) // an error here is a browser that has gone away
	})}
}

// A route is open to those who have one of its roles, and to nobody else.
func TestRolesOpenRoutes(t *testing.T) {
	t.Parallel()
	trials := []struct {
		roles any
		want  map[models.Role]int // status by the first role of the route
	}{
		{"rp-support", map[models.Role]int{models.RoleSupport: http.StatusOK, models.RoleController: http.StatusForbidden}},
		{[]string{"rp-finance"}, map[models.Role]int{models.RoleSupport: http.StatusOK, models.RoleController: http.StatusForbidden}},
		{[]string{"rp-controller"}, map[models.Role]int{models.RoleSupport: http.StatusForbidden, models.RoleController: http.StatusOK}},
		{[]string{"other", "rp-controller", "rp-finance"}, map[models.Role]int{models.RoleSupport: http.StatusOK, models.RoleController: http.StatusOK}},
	}
	var claims []map[string]any
	for _, c := range trials {
		claims = append(claims, map[string]any{"staff": map[string]any{"roles": c.roles}, "name": " Анна Котова "})
	}
	r := staffRig(t, claims...)
	routes := []auth.Route{staffRoute(models.RoleSupport, models.RoleFinance), staffRoute(models.RoleController)}
	r.Serve(routes)
	for i, c := range trials {
		browser := r.Browser()
		r.SignIn(browser, int64(i+1), "")
		for role, status := range c.want {
			got := r.Get(browser, "/referral/"+string(role))
			if got.Status != status || status == http.StatusOK && got.Body != "Анна Котова" {
				t.Errorf("%v at the route of %s: %d %s", c.roles, role, got.Status, got.Body)
			}
		}
	}
}

// A person to whom the provider gives no role is told so, and has no session.
func TestWithoutARoleNobodyIsSignedIn(t *testing.T) {
	t.Parallel()
	claims := []map[string]any{
		nil, {"staff": "rp-support"}, {"staff": map[string]any{"roles": []any{"rp-Support", 1}}}, {"staff": map[string]any{"roles": map[string]any{"rp-support": true}}},
		{"roles": []string{"rp-support"}},
	}
	r := staffRig(t, claims...)
	r.Serve([]auth.Route{staffRoute(models.RoleSupport)})
	for i, claims := range claims {
		browser := r.Browser()
		if got := r.SignIn(browser, int64(i+1), ""); got.Status != http.StatusForbidden || !strings.Contains(got.Body, "Нет роли") {
			t.Errorf("%v: %d %s", claims, got.Status, got.Body)
		}
		if got := r.Get(browser, "/referral/support"); !strings.HasPrefix(got.URL.String(), r.Provider.Issuer()) {
			t.Errorf("%v: the page is open", claims)
		}
	}
}

// A site for staff has no protected route without roles, and a site for clients none with.
func TestRoutesOfStaffNameTheirRoles(t *testing.T) {
	t.Parallel()
	handler := http.NotFoundHandler()
	for _, c := range []struct {
		rig   *authtest.Rig
		route auth.Route
	}{
		{staffRig(t), auth.Route{Pattern: "GET /referral/a", Access: auth.SignedInPage, Handler: handler}},
		{staffRig(t), auth.Route{Pattern: "GET /referral/a", Access: auth.SignedInAPI, Handler: handler}},
		{staffRig(t), auth.Route{Pattern: "GET /referral/a", Access: auth.Anyone, Roles: models.Roles, Handler: handler}},
		{authtest.New(t, authtest.Options{}), auth.Route{Pattern: "GET /referral/a", Access: auth.SignedInPage, Roles: models.Roles, Handler: handler}},
	} {
		if _, err := c.rig.Auth.Mux([]auth.Route{c.route}); err == nil {
			t.Errorf("%+v is accepted", c.route)
		}
	}
}
