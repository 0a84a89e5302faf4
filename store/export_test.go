package store

// FriendsQuery is what reads a page of friends.
const FriendsQuery = friendsQuery

// ForgetRecipientsQuery is what forgets a part of the addresses.
const ForgetRecipientsQuery = forgetRecipients

// Spooled is how many rehearsed chunks a store keeps.
func (s *Store) Spooled() int {
	s.spool.mu.Lock()
	defer s.spool.mu.Unlock()
	return len(s.spool.chunks)
}

// HarmSpool changes a byte of every rehearsed chunk that a store keeps.
func (s *Store) HarmSpool() error {
	s.spool.mu.Lock()
	defer s.spool.mu.Unlock()
	for _, entry := range s.spool.chunks {
		at, b := entry.at+int64(entry.size)/2, []byte{0}
		if _, err := s.spool.file.ReadAt(b, at); err != nil {
			return err
		}
		b[0] ^= 1
		if _, err := s.spool.file.WriteAt(b, at); err != nil {
			return err
		}
	}
	return nil
}
