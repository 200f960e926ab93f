//! Single requests on keys.

use etcd_client::{DeleteOptions, GetOptions, PutOptions, SortOrder, SortTarget};

use crate::case::Case;

const SOME: &[(&str, &str)] =
    &[("a", "1"), ("aa", "9"), ("ab", "5"), ("b", "2"), ("c", "7"), ("a", "8"), ("c", "0")];

pub(crate) async fn puts_count_revisions_and_versions(case: &mut Case) {
    case.get("a", GetOptions::new()).await;
    case.puts(&[("a", "1"), ("a", "2"), ("b", ""), ("a", "2")]).await;
    case.get("a", GetOptions::new()).await;
    case.get("b", GetOptions::new()).await;
    case.get("a", GetOptions::new().with_serializable()).await;
}

pub(crate) async fn ranges_end_where_they_say(case: &mut Case) {
    case.puts(SOME).await;
    case.get_all().await;
    case.get("a", GetOptions::new().with_prefix()).await;
    case.get("aa", GetOptions::new().with_from_key()).await;
    case.get("aa", GetOptions::new().with_range("b")).await;
    case.get("aa", GetOptions::new().with_range("aa")).await;
    case.get("b", GetOptions::new().with_range("a")).await;
    case.get("b", GetOptions::new().with_range("b\0")).await;
    case.get("x", GetOptions::new().with_prefix()).await;
    case.get("ac", GetOptions::new()).await;
}

pub(crate) async fn limits_cut_and_counts_do_not(case: &mut Case) {
    case.puts(SOME).await;
    for limit in [-1, 1, 4, 5, 6] {
        case.get("a", GetOptions::new().with_from_key().with_limit(limit)).await;
    }
    case.get("a", GetOptions::new().with_prefix().with_keys_only()).await;
    case.get("a", GetOptions::new().with_prefix().with_count_only()).await;
    case.get("a", GetOptions::new().with_prefix().with_count_only().with_limit(1)).await;
    case.get("x", GetOptions::new().with_prefix().with_count_only()).await;
}

pub(crate) async fn every_order_of_every_target(case: &mut Case) {
    case.puts(SOME).await;
    let targets =
        [SortTarget::Key, SortTarget::Version, SortTarget::Create, SortTarget::Mod, SortTarget::Value];
    for target in targets {
        for order in [SortOrder::None, SortOrder::Ascend, SortOrder::Descend] {
            case.note(format!("{target:?} {order:?}"));
            case.get("a", GetOptions::new().with_from_key().with_sort(target, order)).await;
            case.get("a", GetOptions::new().with_from_key().with_sort(target, order).with_limit(2)).await;
        }
    }
}

pub(crate) async fn a_limit_cuts_before_a_target_without_order_sorts(case: &mut Case) {
    case.puts(&[("a", "5"), ("b", "4"), ("c", "3"), ("d", "2"), ("e", "1")]).await;
    let by_value = GetOptions::new().with_from_key().with_sort(SortTarget::Value, SortOrder::None);
    case.get("a", by_value.with_limit(2)).await;
}

pub(crate) async fn revision_filters_hide_but_do_not_uncount(case: &mut Case) {
    case.puts(SOME).await;
    let all = || GetOptions::new().with_from_key();
    let (early, late) = (case.at(2), case.at(6));
    case.get("a", all().with_min_mod_revision(late)).await;
    case.get("a", all().with_max_mod_revision(late)).await;
    case.get("a", all().with_min_create_revision(early)).await;
    case.get("a", all().with_max_create_revision(early)).await;
    case.get("a", all().with_min_mod_revision(early).with_max_create_revision(early).with_limit(1)).await;
    case.get("a", all().with_max_mod_revision(-1)).await;
}

pub(crate) async fn old_revisions_stay_readable(case: &mut Case) {
    case.puts(SOME).await;
    case.delete("ab", DeleteOptions::new()).await;
    for steps in 0..=9 {
        let at = case.at(steps);
        case.get("a", GetOptions::new().with_from_key().with_revision(at)).await;
    }
    case.get("a", GetOptions::new().with_revision(-7)).await;
    let at = case.at(4);
    case.get("a", GetOptions::new().with_from_key().with_revision(at).with_count_only()).await;
}

pub(crate) async fn puts_may_keep_value_or_lease(case: &mut Case) {
    case.grant(1001, 600).await;
    case.grant(1002, 600).await;
    let new = PutOptions::new;
    case.put("a", "1", new().with_lease(1001).with_prev_key()).await;
    case.put("a", "2", new().with_ignore_lease().with_prev_key()).await;
    case.put("a", "", new().with_ignore_value().with_lease(1002).with_prev_key()).await;
    case.put("a", "", new().with_ignore_value().with_ignore_lease()).await;
    case.get_all().await;
    case.put("a", "", new().with_ignore_value()).await;
    case.get_all().await;
    case.put("a", "3", new().with_ignore_value()).await;
    case.put("a", "3", new().with_ignore_lease().with_lease(1001)).await;
    case.put("none", "", new().with_ignore_value()).await;
    case.put("none", "1", new().with_ignore_lease()).await;
    case.put("a", "1", new().with_lease(4711)).await;
    case.put("none", "", new().with_ignore_value().with_lease(4711)).await;
    case.get_all().await;
}

pub(crate) async fn deletes_tell_what_was_there(case: &mut Case) {
    case.puts(SOME).await;
    case.delete("none", DeleteOptions::new().with_prev_key()).await;
    case.delete("b", DeleteOptions::new().with_prev_key()).await;
    case.delete("b", DeleteOptions::new()).await;
    case.delete("b", DeleteOptions::new().with_range("a")).await;
    case.delete("a", DeleteOptions::new().with_prefix().with_prev_key()).await;
    case.delete("a", DeleteOptions::new().with_from_key()).await;
    case.get_all().await;
}

pub(crate) async fn a_deleted_key_begins_anew(case: &mut Case) {
    case.puts(&[("a", "1"), ("a", "2")]).await;
    case.delete("a", DeleteOptions::new()).await;
    case.get("a", GetOptions::new()).await;
    case.puts(&[("a", "3"), ("a", "4")]).await;
    case.get("a", GetOptions::new()).await;
    let before = case.at(2);
    case.get("a", GetOptions::new().with_revision(before)).await;
}

pub(crate) async fn requests_without_a_key_are_refused(case: &mut Case) {
    case.put("", "1", PutOptions::new()).await;
    case.get("", GetOptions::new()).await;
    case.get("", GetOptions::new().with_range("z")).await;
    case.delete("", DeleteOptions::new()).await;
    case.put("", "1", PutOptions::new().with_lease(4711)).await;
}

pub(crate) async fn requests_that_are_too_large_are_refused(case: &mut Case) {
    let large = "x".repeat(1_572_000);
    let too_large = "x".repeat(1_572_864);
    case.put("a", &large, PutOptions::new()).await;
    case.put("a", &too_large, PutOptions::new()).await;
    case.put("", &too_large, PutOptions::new()).await;
    case.delete(&too_large, DeleteOptions::new()).await;
    case.get(&too_large, GetOptions::new()).await;
    case.get("a", GetOptions::new()).await;
}
