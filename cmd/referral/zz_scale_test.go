package main
import ("testing";"fmt";"os";"strconv";"runtime";"time")
func TestZZScale(t *testing.T){
 n,_ := strconv.Atoi(os.Getenv("N"))
 w:=newTown(t)
 w.befriends(885, map[int64]string{901: "2026-01-10"})
 w.hears(bill(885,202604,1,subscription(300000)))
 w.tampers(
  fmt.Sprintf("INSERT INTO accounts (account_id, code, registered_at, promo_ended_at) SELECT 1000000+i, 'C'||i, '2026-03-01', '2026-03-10' FROM generate_series(1,%d) i", n),
  fmt.Sprintf("INSERT INTO activations (account_id, event_key, code, requested_at, status, reason, inviter_id) SELECT 1000000+i, gen_random_uuid(), 'x', '2026-03-05','accepted','', 1000000+i-1 FROM generate_series(2,%d) i", n),
  fmt.Sprintf("INSERT INTO referrals SELECT 1000000+i-1, 1000000+i, '2026-03-05' FROM generate_series(2,%d) i", n),
  fmt.Sprintf("INSERT INTO discounts SELECT 1000000+i, 'invitee', '2026-03-10','2026-06-10',20,0 FROM generate_series(2,%d) i", n),
  fmt.Sprintf("INSERT INTO discounts SELECT 1000000+i, 'inviter', '2026-03-05','2026-06-05',20,1 FROM generate_series(1,%d) i", n-1),
  fmt.Sprintf("INSERT INTO invoices SELECT 1000000+i, 202604, 'INV-'||i, 1, 'RUB', gen_random_uuid(), now() FROM generate_series(1,%d) i", n),
  fmt.Sprintf("INSERT INTO invoice_lines SELECT 1000000+i, 202604, 'INV-'||i, 1, l, l::text, 'subscription', '2026-04-01','2026-05-01', 10000+i FROM generate_series(1,%d) i, generate_series(0,3) l", n),
 )
 w.settles(202604); w.publishes()
 w.tampers("INSERT INTO results SELECT adjustment_id, account_id, gen_random_uuid(), 'applied', amount_minor, '', now() FROM adjustments")
 runtime.GC()
 peak := uint64(0)
 stop := make(chan struct{})
 go func(){ for { select { case <-stop: return; default: var m runtime.MemStats; runtime.ReadMemStats(&m); peak=max(peak,m.HeapInuse); time.Sleep(200*time.Millisecond)} } }()
 from := time.Now()
 a := w.asks("reconcile","2026-04")
 close(stop)
 fmt.Println(n, time.Since(from), "peak heap MiB", peak>>20, a.status)
 fmt.Println(a.out[:min(2500,len(a.out))], a.err)
 from = time.Now()
 a = w.asks("simulate","--terms","/tmp/other.yaml","--from","2026-04","--to","2026-04")
 fmt.Println("simulate", time.Since(from), a)
}
