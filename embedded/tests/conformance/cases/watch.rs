//! Watches.

use etcd_client::{DeleteOptions, PutOptions, Txn, TxnOp, WatchFilterType, WatchOptions};

use crate::case::Case;

pub(crate) async fn changes_arrive_in_order(case: &mut Case) {
    case.puts(&[("a", "0")]).await;
    let mut stream = case.watch("a", WatchOptions::new().with_prefix().with_prev_key()).await;
    let mut plain = case.watch("a", WatchOptions::new()).await;
    case.puts(&[("a", "1"), ("b", "1"), ("ab", "1"), ("a", "2")]).await;
    case.delete("a", DeleteOptions::new().with_prefix()).await;
    case.puts(&[("a", "3")]).await;
    let ops = [TxnOp::put("ab", "4", None), TxnOp::delete("a", None), TxnOp::put("aa", "4", None)];
    case.txn("three", Txn::new().and_then(ops)).await;
    case.put("ab", "", PutOptions::new().with_ignore_value()).await;
    case.events(&mut stream, 10).await;
    case.events(&mut plain, 5).await;
}

pub(crate) async fn the_past_is_replayed(case: &mut Case) {
    case.puts(&[("a", "1"), ("b", "1"), ("a", "2")]).await;
    case.delete("a", DeleteOptions::new()).await;
    case.puts(&[("a", "3")]).await;
    for (steps, events) in [(1, 4), (3, 3), (5, 1)] {
        let at = case.at(steps);
        let options = WatchOptions::new().with_start_revision(at).with_prev_key();
        let mut stream = case.watch("a", options).await;
        case.events(&mut stream, events).await;
    }
    let at = case.at(1);
    let mut stream = case.watch("a", WatchOptions::new().with_start_revision(at)).await;
    case.puts(&[("a", "4")]).await;
    case.events(&mut stream, 5).await;
}

pub(crate) async fn ranges_and_filters(case: &mut Case) {
    let all = || WatchOptions::new().with_all_keys();
    let mut puts = case.watch("", all().with_filters([WatchFilterType::NoDelete])).await;
    let mut deletes = case.watch("", all().with_filters([WatchFilterType::NoPut]).with_prev_key()).await;
    let mut middle = case.watch("b", WatchOptions::new().with_range("d")).await;
    let mut from = case.watch("c", WatchOptions::new().with_from_key()).await;
    case.puts(&[("a", "1"), ("b", "1"), ("c", "1"), ("d", "1")]).await;
    case.delete("b", DeleteOptions::new().with_from_key()).await;
    case.events(&mut puts, 4).await;
    case.events(&mut deletes, 3).await;
    case.events(&mut middle, 4).await;
    case.events(&mut from, 4).await;
}

pub(crate) async fn many_watchers_on_one_stream(case: &mut Case) {
    let mut stream = case.watch("a", WatchOptions::new()).await;
    stream.watch("b", None).await.expect("second");
    case.watch_answer(&mut stream).await;
    stream.watch("c", Some(WatchOptions::new().with_watch_id(7))).await.expect("third");
    case.watch_answer(&mut stream).await;
    for key in ["b", "a", "c", "d"] {
        case.puts(&[(key, "1")]).await;
        if key != "d" {
            case.events(&mut stream, 1).await;
        }
    }
    stream.cancel(1).await.expect("cancel");
    case.watch_answer(&mut stream).await;
    stream.cancel(99).await.expect("cancel of nothing");
    case.puts(&[("b", "2"), ("c", "2")]).await;
    case.events(&mut stream, 1).await;
    stream.watch("d", None).await.expect("fourth");
    case.watch_answer(&mut stream).await;
}

pub(crate) async fn a_compacted_past_ends_the_watch(case: &mut Case) {
    case.puts(&[("a", "1"), ("a", "2"), ("b", "1"), ("a", "3")]).await;
    let at = case.at(3);
    case.compact(at).await;
    for steps in [1, 2] {
        let start = case.at(steps);
        let mut stream = case.watch("a", WatchOptions::new().with_start_revision(start)).await;
        case.watch_answer(&mut stream).await;
    }
    let mut stream = case.watch("a", WatchOptions::new().with_start_revision(at).with_prev_key()).await;
    case.events(&mut stream, 1).await;
    let start = case.at(1);
    stream.watch("b", Some(WatchOptions::new().with_start_revision(start))).await.expect("another");
    case.watch_answer(&mut stream).await;
    case.watch_answer(&mut stream).await;
    case.puts(&[("b", "2"), ("a", "4")]).await;
    case.events(&mut stream, 1).await;
}

pub(crate) async fn a_compaction_does_not_end_watchers_that_are_up_to_date(case: &mut Case) {
    let mut stream = case.watch("a", WatchOptions::new()).await;
    for round in 1..=5 {
        case.puts(&[("a", "1"), ("a", "2"), ("b", "1")]).await;
        let now = case.at(3 * round);
        case.compact(now).await;
    }
    case.events(&mut stream, 10).await;
}

pub(crate) async fn the_future_is_waited_for(case: &mut Case) {
    case.puts(&[("a", "1")]).await;
    let at = case.at(3);
    let mut stream = case.watch("a", WatchOptions::new().with_start_revision(at)).await;
    case.puts(&[("a", "2"), ("a", "3"), ("a", "4")]).await;
    case.events(&mut stream, 2).await;
}

pub(crate) async fn progress_on_request(case: &mut Case) {
    case.puts(&[("a", "1")]).await;
    let mut stream = case.watch("a", WatchOptions::new()).await;
    case.puts(&[("b", "1"), ("b", "2")]).await;
    stream.request_progress().await.expect("request");
    case.watch_answer(&mut stream).await;
    case.puts(&[("a", "2")]).await;
    case.events(&mut stream, 1).await;
}

pub(crate) async fn ranges_and_ids_that_are_refused(case: &mut Case) {
    let mut stream = case.watch("b", WatchOptions::new().with_range("a")).await;
    stream.watch("b", Some(WatchOptions::new().with_range("b"))).await.expect("empty");
    case.watch_answer(&mut stream).await;
    stream.watch("a", Some(WatchOptions::new().with_watch_id(5))).await.expect("five");
    case.watch_answer(&mut stream).await;
    stream.watch("b", Some(WatchOptions::new().with_watch_id(5))).await.expect("five again");
    case.watch_answer(&mut stream).await;
    case.puts(&[("b", "1"), ("a", "1")]).await;
    case.events(&mut stream, 1).await;
    stream.watch("", None).await.expect("no key");
    case.watch_answer(&mut stream).await;
}
