//! Transactions with guards.

use etcd_client::{Compare, CompareOp, DeleteOptions, GetOptions, PutOptions, Txn, TxnOp};

use crate::case::Case;

const OPERATORS: [CompareOp; 4] =
    [CompareOp::Equal, CompareOp::Greater, CompareOp::Less, CompareOp::NotEqual];

pub(crate) async fn every_operator_on_every_target(case: &mut Case) {
    case.grant(1001, 600).await;
    case.puts(&[("k", "m"), ("k", "m")]).await;
    case.put("k", "m", PutOptions::new().with_lease(1001)).await;
    for key in ["k", "none"] {
        for op in OPERATORS {
            for (lower, number) in [("less", -1), ("same", 0), ("more", 1)] {
                let (created, modified) = if key == "k" { (case.at(1), case.at(3)) } else { (0, 0) };
                let (version, lease) = if key == "k" { (3, 1001) } else { (0, 0) };
                let value = ["l", "m", "n"][usize::try_from(number + 1).expect("small")];
                let compares = [
                    Compare::version(key, op, version + number),
                    Compare::create_revision(key, op, created + number),
                    Compare::mod_revision(key, op, modified + number),
                    Compare::lease(key, op, lease + number),
                    Compare::value(key, op, value),
                    Compare::value(key, op, ""),
                ];
                for (target, compare) in
                    ["version", "create", "mod", "lease", "value", "empty"].iter().zip(compares)
                {
                    case.txn(&format!("{key} {target} {op:?} {lower}"), Txn::new().when([compare])).await;
                }
            }
        }
    }
}

pub(crate) async fn guards_over_ranges_hold_for_every_key(case: &mut Case) {
    case.puts(&[("a1", "x"), ("a2", "x"), ("a2", "y"), ("b", "z")]).await;
    let at = case.at(2);
    let compares = [
        Compare::version("a", CompareOp::Greater, 0).with_prefix(),
        Compare::version("a", CompareOp::Equal, 1).with_prefix(),
        Compare::version("none", CompareOp::Equal, 0).with_prefix(),
        Compare::version("none", CompareOp::Greater, 0).with_prefix(),
        Compare::value("a", CompareOp::NotEqual, "z").with_prefix(),
        Compare::value("a", CompareOp::NotEqual, "z").with_range("c"),
        Compare::value("none", CompareOp::NotEqual, "z").with_prefix(),
        Compare::create_revision("a", CompareOp::Less, at + 1).with_prefix(),
        Compare::mod_revision("a", CompareOp::Less, at + 1).with_range("\0"),
        Compare::version("b", CompareOp::Equal, 7).with_range("a"),
        Compare::version("b", CompareOp::Equal, 0).with_range("a"),
    ];
    for (number, compare) in compares.into_iter().enumerate() {
        case.txn(&number.to_string(), Txn::new().when([compare])).await;
    }
}

pub(crate) async fn guards_choose_the_branch(case: &mut Case) {
    let claim = |owner: &str| {
        Txn::new()
            .when([Compare::create_revision("lock", CompareOp::Equal, 0)])
            .and_then([TxnOp::put("lock", owner, None), TxnOp::get("lock", None)])
            .or_else([TxnOp::get("lock", None), TxnOp::put("loser", owner, None)])
    };
    case.txn("first", claim("one")).await;
    case.txn("second", claim("two")).await;
    let both =
        [Compare::value("lock", CompareOp::Equal, "one"), Compare::value("loser", CompareOp::Equal, "one")];
    case.txn("all guards must hold", Txn::new().when(both).and_then([TxnOp::delete("lock", None)])).await;
    case.get_all().await;
}

pub(crate) async fn reads_see_the_writes_before_them(case: &mut Case) {
    case.puts(&[("a", "1"), ("b", "2")]).await;
    let now = case.at(2);
    let prefix = || Some(GetOptions::new().with_from_key());
    let txn = Txn::new().and_then([
        TxnOp::get("a", prefix()),
        TxnOp::put("c", "3", Some(PutOptions::new().with_prev_key())),
        TxnOp::get("a", prefix()),
        TxnOp::delete("none", None),
        TxnOp::delete("a", Some(DeleteOptions::new().with_prev_key())),
        TxnOp::get("a", prefix()),
        TxnOp::put("b", "5", Some(PutOptions::new().with_prev_key())),
        TxnOp::get("a", Some(GetOptions::new().with_from_key().with_revision(now))),
        TxnOp::get("a", Some(GetOptions::new().with_from_key().with_count_only())),
    ]);
    case.txn("all", txn).await;
    case.get_all().await;
}

pub(crate) async fn a_refused_transaction_changes_nothing(case: &mut Case) {
    case.puts(&[("a", "1"), ("b", "2"), ("a", "3")]).await;
    let (compacted, future) = (case.at(2), case.at(4));
    case.compact(compacted).await;
    let old = case.at(1);
    let read = |at: i64| TxnOp::get("a", Some(GetOptions::new().with_revision(at)));
    let refused = [
        ("an unknown lease", TxnOp::put("d", "1", Some(PutOptions::new().with_lease(4711)))),
        ("no value to keep", TxnOp::put("d", "", Some(PutOptions::new().with_ignore_value()))),
        (
            "neither value nor lease",
            TxnOp::put("d", "", Some(PutOptions::new().with_ignore_value().with_lease(4711))),
        ),
        ("no lease to keep", TxnOp::put("d", "1", Some(PutOptions::new().with_ignore_lease()))),
        ("value and ignore", TxnOp::put("a", "1", Some(PutOptions::new().with_ignore_value()))),
        ("lease and ignore", TxnOp::put("a", "1", Some(PutOptions::new().with_ignore_lease().with_lease(3)))),
        ("no key to put", TxnOp::put("", "1", None)),
        ("no key to get", TxnOp::get("", None)),
        ("no key to delete", TxnOp::delete("", None)),
        ("the compacted past", read(old)),
        ("the future", read(future)),
        ("a negative revision", read(-3)),
        ("the compacted revision itself", read(compacted)),
    ];
    for (what, op) in refused {
        case.txn(what, Txn::new().and_then([TxnOp::put("c", "1", None), op.clone()])).await;
        case.txn(&format!("{what}, not taken"), Txn::new().or_else([op.clone()])).await;
        case.txn(&format!("{what}, alone"), Txn::new().and_then([op])).await;
        case.get_all().await;
    }
    case.txn("a guard without a key", Txn::new().when([Compare::version("", CompareOp::Equal, 0)])).await;
}

pub(crate) async fn empty_transactions_count_nothing(case: &mut Case) {
    case.puts(&[("a", "1")]).await;
    case.txn("nothing", Txn::new()).await;
    case.txn("only reads", Txn::new().and_then([TxnOp::get("a", None)])).await;
    case.txn("deletes nothing", Txn::new().and_then([TxnOp::delete("none", None)])).await;
    case.txn("a branch without operations", Txn::new().or_else([TxnOp::put("a", "2", None)])).await;
    case.get_all().await;
}

pub(crate) async fn at_most_128_operations(case: &mut Case) {
    let puts =
        |count: usize| (0..count).map(|n| TxnOp::put(format!("k{n:03}"), "v", None)).collect::<Vec<_>>();
    let guards = |count: usize| {
        (0..count).map(|n| Compare::version(format!("k{n}"), CompareOp::Less, 9)).collect::<Vec<_>>()
    };
    case.txn("128 puts", Txn::new().and_then(puts(128))).await;
    case.txn("129 puts", Txn::new().and_then(puts(129))).await;
    case.txn("129 puts not taken", Txn::new().or_else(puts(129))).await;
    case.txn("128 guards", Txn::new().when(guards(128))).await;
    case.txn("129 guards", Txn::new().when(guards(129))).await;
    case.txn("128 of each", Txn::new().when(guards(128)).and_then(puts(128)).or_else(puts(128))).await;
    case.get("k", GetOptions::new().with_prefix().with_count_only()).await;
}
