//! What is left after a compaction.

use etcd_client::{DeleteOptions, GetOptions};

use crate::case::Case;

pub(crate) async fn compaction_forgets_what_is_superseded(case: &mut Case) {
    case.puts(&[("a", "1"), ("b", "1"), ("a", "2"), ("c", "1")]).await;
    case.delete("c", DeleteOptions::new()).await;
    case.puts(&[("a", "3"), ("c", "2")]).await;
    let at = case.at(5);
    case.compact(at).await;
    for steps in 3..=7 {
        let at = case.at(steps);
        case.get("a", GetOptions::new().with_from_key().with_revision(at)).await;
        case.get("a", GetOptions::new().with_count_only().with_revision(at)).await;
    }
    case.get_all().await;
    let now = case.at(7);
    case.compact(now).await;
    case.get("a", GetOptions::new().with_from_key().with_revision(at)).await;
    case.get_all().await;
    case.puts(&[("c", "3"), ("d", "1")]).await;
    case.get_all().await;
}

pub(crate) async fn compaction_is_refused_outside_the_history(case: &mut Case) {
    case.puts(&[("a", "1"), ("a", "2"), ("a", "3")]).await;
    let (first, second, future) = (case.at(1), case.at(2), case.at(4));
    case.compact(future).await;
    case.compact(-1).await;
    case.compact(second).await;
    case.compact(second).await;
    case.compact(first).await;
    case.compact(0).await;
    case.get_all().await;
}
