//! Leases and the keys they hold.

use etcd_client::{GetOptions, PutOptions, Txn, TxnOp, WatchOptions};

use crate::case::Case;

fn leased(id: i64) -> PutOptions {
    PutOptions::new().with_lease(id)
}

pub(crate) async fn grants_raise_short_and_refuse_long_times(case: &mut Case) {
    case.grant(0, 60).await;
    case.revoke_all().await;
    for (id, ttl) in [(11, 1), (12, 0), (13, -5), (14, 2), (15, 3)] {
        case.grant(id, ttl).await;
        case.revoke(id).await;
    }
    case.grant(16, 9_000_000_000).await;
    case.grant(17, 9_000_000_001).await;
    case.grant(16, 60).await;
    case.grant(16, 9_000_000_001).await;
    case.grant(-4, 60).await;
    case.leases().await;
    case.time_to_live(16).await;
    case.revoke(-4).await;
    case.revoke(16).await;
    case.leases().await;
}

pub(crate) async fn keys_go_with_their_lease_in_one_revision(case: &mut Case) {
    case.grant(21, 600).await;
    case.grant(22, 700).await;
    for (key, lease) in [("c", 21), ("a", 21), ("b", 22), ("d", 21)] {
        case.put(key, "1", leased(lease)).await;
    }
    case.time_to_live(21).await;
    case.leases().await;
    let mut stream = case.watch("a", WatchOptions::new().with_from_key().with_prev_key()).await;
    case.revoke(21).await;
    case.events(&mut stream, 3).await;
    case.get_all().await;
    case.time_to_live(21).await;
    case.time_to_live(22).await;
    case.grant(23, 600).await;
    case.revoke(23).await;
    case.leases().await;
}

pub(crate) async fn unknown_leases(case: &mut Case) {
    case.revoke(4711).await;
    case.revoke(0).await;
    case.keep_alive(4711).await;
    case.time_to_live(4711).await;
    case.put("a", "1", leased(4711)).await;
    case.grant(31, 600).await;
    case.revoke(31).await;
    case.put("a", "1", leased(31)).await;
    case.txn("put", Txn::new().and_then([TxnOp::put("a", "1", Some(leased(31)))])).await;
    case.get_all().await;
}

pub(crate) async fn a_key_belongs_to_its_last_lease(case: &mut Case) {
    case.grant(41, 600).await;
    case.grant(42, 600).await;
    for key in ["a", "b", "c", "d"] {
        case.put(key, "1", leased(41)).await;
    }
    case.put("a", "2", leased(42)).await;
    case.put("b", "2", PutOptions::new()).await;
    case.delete("c", etcd_client::DeleteOptions::new()).await;
    case.put("d", "2", leased(41)).await;
    case.time_to_live(41).await;
    case.time_to_live(42).await;
    case.put("c", "3", PutOptions::new()).await;
    case.revoke(41).await;
    case.get_all().await;
    case.revoke(42).await;
    case.get_all().await;
}

pub(crate) async fn a_silent_lease_ends_by_itself(case: &mut Case) {
    case.grant(51, 2).await;
    case.put("a", "1", leased(51)).await;
    case.put("b", "1", leased(51)).await;
    let mut stream = case.watch("a", WatchOptions::new().with_from_key()).await;
    case.events(&mut stream, 2).await;
    case.get_all().await;
    case.time_to_live(51).await;
    case.put("a", "1", leased(51)).await;
    case.revoke(51).await;
}

pub(crate) async fn a_lease_kept_alive_outlives_its_time(case: &mut Case) {
    case.grant(61, 4).await;
    case.grant(62, 4).await;
    case.put("kept", "1", leased(61)).await;
    case.put("left", "1", leased(62)).await;
    let mut stream = case.watch("left", WatchOptions::new()).await;
    tokio::time::sleep(std::time::Duration::from_millis(2000)).await;
    case.keep_alive(61).await;
    case.events(&mut stream, 1).await;
    case.get("kept", GetOptions::new()).await;
    case.time_to_live(62).await;
    case.revoke(61).await;
    case.get("kept", GetOptions::new()).await;
}
