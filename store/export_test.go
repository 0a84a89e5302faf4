package store

// FriendsQuery is what reads a page of friends.
const FriendsQuery = friendsQuery

// Spooled is how many rehearsed chunks a store keeps.
func (s *Store) Spooled() int {
	s.spool.mu.Lock()
	defer s.spool.mu.Unlock()
	return len(s.spool.chunks)
}
