// Package suspicion looks for referrals that a person should look at: clients that
// invited one another in a ring, several accounts behind one tax id, phone or mail
// domain, and many activations of one code within an hour. It punishes nobody: what it
// finds is a list for finance.
package suspicion

import (
	"cmp"
	"crypto/sha256"
	"encoding/binary"
	"maps"
	"slices"
	"time"

	"referral/models"
)

// BurstSize activations of one inviter's code within BurstTime are a burst.
const (
	BurstSize = 5
	BurstTime = time.Hour
)

// edge is a referral: the inviter and the invitee by their places in the search.
type edge struct {
	inviter, invitee int32
	at               int64 // Unix time in microseconds
}

// Search takes in the accounts and referrals of the whole programme and finds what is
// suspicious. It keeps about 120 bytes an account and 16 bytes a referral.
type Search struct {
	places map[int64]int32
	ids    []int64
	traits [traits][]uint64 // of the accounts, by their places
	edges  []edge
}

// New begins a search.
func New() *Search { return &Search{places: map[int64]int32{}} }

// Account takes in an account that invited or was invited. Each comes once.
func (s *Search) Account(id int64, p models.Profile) {
	s.places[id] = int32(len(s.ids)) //nolint:gosec // two thousand million accounts do not fit into memory
	s.ids = append(s.ids, id)
	for i, text := range traitsOf(p) {
		s.traits[i] = append(s.traits[i], hash(text))
	}
}

// Referral takes in a referral. Both its accounts have come before; one whose account
// is not known is left out.
func (s *Search) Referral(r models.Referral) {
	inviter, known := s.places[r.InviterID]
	invitee, known2 := s.places[r.InviteeID]
	if known && known2 {
		s.edges = append(s.edges, edge{inviter, invitee, r.ActivatedAt.UnixMicro()})
	}
}

// Findings is what is suspicious, in a fixed order. Signs that concern the same
// referrals are one finding. Money, and when it was found, are not filled in.
func (s *Search) Findings() []models.Suspicion {
	slices.SortFunc(s.edges, func(a, b edge) int {
		return cmp.Or(cmp.Compare(a.inviter, b.inviter), cmp.Compare(a.at, b.at), cmp.Compare(a.invitee, b.invitee))
	})
	found := findings{search: s, byReferrals: map[models.Digest]*models.Suspicion{}}
	s.rings(&found)
	for i := range s.traits {
		s.shared(trait(i), &found)
	}
	s.bursts(&found)
	list := make([]models.Suspicion, 0, len(found.byReferrals))
	for _, f := range found.byReferrals {
		f.Fingerprint = fingerprint(f.Referrals, f.Signs)
		list = append(list, *f)
	}
	slices.SortFunc(list, func(a, b models.Suspicion) int { return slices.Compare(a.Fingerprint[:], b.Fingerprint[:]) })
	return list
}

// findings joins what concerns the same referrals.
type findings struct {
	search      *Search
	byReferrals map[models.Digest]*models.Suspicion
}

func (f *findings) add(edges []edge, signs ...models.SuspicionSign) {
	referrals := make([]models.Referral, len(edges))
	for i, e := range edges {
		referrals[i] = models.Referral{InviterID: f.search.ids[e.inviter], InviteeID: f.search.ids[e.invitee], ActivatedAt: time.UnixMicro(e.at).UTC()}
	}
	slices.SortFunc(referrals, func(a, b models.Referral) int {
		return cmp.Or(a.ActivatedAt.Compare(b.ActivatedAt), cmp.Compare(a.InviterID, b.InviterID), cmp.Compare(a.InviteeID, b.InviteeID))
	})
	key := fingerprint(referrals, nil)
	known, ok := f.byReferrals[key]
	if !ok {
		known = &models.Suspicion{Referrals: referrals}
		f.byReferrals[key] = known
	}
	for _, sign := range signs {
		if !slices.Contains(known.Signs, sign) {
			known.Signs = append(known.Signs, sign)
		}
	}
}

// fingerprint tells findings apart. One that grows, or that shows a further sign, has
// another.
func fingerprint(referrals []models.Referral, signs []models.SuspicionSign) models.Digest {
	var text []byte
	for _, sign := range signs {
		text = append(append(text, sign...), 0)
	}
	for i := range referrals {
		text = binary.BigEndian.AppendUint64(text, uint64(referrals[i].InviterID)) //nolint:gosec // the bits are what counts
		text = binary.BigEndian.AppendUint64(text, uint64(referrals[i].InviteeID)) //nolint:gosec // the bits are what counts
	}
	return sha256.Sum256(text)
}

// rings finds clients that invited one another in a ring. An account accepts one code,
// so that it has one inviter at most, and the strongly connected components of the
// graph are its cycles: a walk from invitee to inviter ends in one, or at a client that
// nobody invited.
func (s *Search) rings(found *findings) {
	invited := make([]int32, len(s.ids)) // the account's place in edges, from 1; 0 for none
	for i, e := range s.edges {
		invited[e.invitee] = int32(i + 1) //nolint:gosec // as many as accounts
	}
	walk := make([]int32, len(s.ids)) // in which the account was passed, from 1
	for start := range s.ids {
		number, at := int32(start+1), int32(start) //nolint:gosec // as many as accounts
		for walk[at] == 0 && invited[at] != 0 {
			walk[at] = number
			at = s.edges[invited[at]-1].inviter
		}
		if walk[at] != number || invited[at] == 0 {
			continue
		}
		var ring []edge
		for next, begun := at, false; !begun || next != at; begun = true {
			e := s.edges[invited[next]-1]
			ring = append(ring, e)
			next = e.inviter
		}
		if len(ring) > 1 {
			found.add(ring, models.SuspiciousRing)
		}
	}
}

// shared finds accounts with one trait, of which one invited the other, or which one
// client invited. An inviter and its invitee alone are one payer.
func (s *Search) shared(t trait, found *findings) {
	of := s.traits[t]
	groups := newUnion(len(s.ids))
	edges := map[int]bool{} // by place in s.edges
	last := map[uint64]int{}
	for i, e := range s.edges {
		if i > 0 && s.edges[i-1].inviter != e.inviter {
			clear(last)
		}
		value := of[e.invitee]
		if value == 0 {
			continue
		}
		if of[e.inviter] == value {
			groups.join(e.inviter, e.invitee)
			edges[i] = true
		}
		if before, ok := last[value]; ok {
			groups.join(s.edges[before].invitee, e.invitee)
			edges[before], edges[i] = true, true
		}
		last[value] = i
	}
	byGroup := map[int32][]edge{}
	for _, i := range slices.Sorted(maps.Keys(edges)) {
		group := groups.root(s.edges[i].invitee)
		byGroup[group] = append(byGroup[group], s.edges[i])
	}
	for _, group := range slices.Sorted(maps.Keys(byGroup)) {
		signs := []models.SuspicionSign{signOf[t]}
		if len(byGroup[group]) == 1 && t != mailDomain {
			signs = []models.SuspicionSign{models.SuspiciousPayer, signOf[t]}
		}
		found.add(byGroup[group], signs...)
	}
}

// bursts finds BurstSize activations and more of one inviter's code within BurstTime.
func (s *Search) bursts(found *findings) {
	for from := 0; from < len(s.edges); {
		to := from
		for to < len(s.edges) && s.edges[to].inviter == s.edges[from].inviter {
			to++
		}
		for _, burst := range burstsOf(s.edges[from:to]) {
			found.add(burst, models.SuspiciousBurst)
		}
		from = to
	}
}

// burstsOf is the bursts among the referrals of one inviter, by time. Bursts that
// overlap are one.
func burstsOf(edges []edge) (bursts [][]edge) {
	first, end := 0, 0 // of the burst that grows
	for last, from := 0, 0; last < len(edges); last++ {
		for edges[last].at-edges[from].at > BurstTime.Microseconds() {
			from++
		}
		if last-from+1 < BurstSize {
			continue
		}
		if from >= end {
			if end > 0 {
				bursts = append(bursts, edges[first:end])
			}
			first = from
		}
		end = last + 1
	}
	if end > 0 {
		bursts = append(bursts, edges[first:end])
	}
	return bursts
}

// union is sets of accounts that are joined.
type union []int32

func newUnion(n int) union {
	u := make(union, n)
	for i := range u {
		u[i] = int32(i) //nolint:gosec // as many as accounts
	}
	return u
}

func (u union) root(a int32) int32 {
	for u[a] != a {
		u[a] = u[u[a]]
		a = u[a]
	}
	return a
}

// join makes the smaller root that of both, so that the order of groups is fixed.
func (u union) join(a, b int32) {
	a, b = u.root(a), u.root(b)
	u[max(a, b)] = min(a, b)
}
