//! Transactions inside transactions.

use etcd_client::{Compare, CompareOp, DeleteOptions, GetOptions, PutOptions, Txn, TxnOp};

use crate::case::Case;

fn put(key: &str) -> TxnOp {
    TxnOp::put(key, "v", None)
}

fn delete(key: &str) -> TxnOp {
    TxnOp::delete(key, None)
}

fn then(ops: impl Into<Vec<TxnOp>>) -> TxnOp {
    TxnOp::txn(Txn::new().and_then(ops))
}

fn absent(key: &str) -> Compare {
    Compare::create_revision(key, CompareOp::Equal, 0)
}

pub(crate) async fn guards_see_the_state_before_everything(case: &mut Case) {
    let guarded = |key: &str| {
        TxnOp::txn(Txn::new().when([absent("a")]).and_then([put(key)]).or_else([TxnOp::get("a", None)]))
    };
    case.txn("two creators", Txn::new().and_then([put("a"), guarded("b"), guarded("c")])).await;
    case.txn("again", Txn::new().and_then([delete("a"), guarded("b"), guarded("c")])).await;
    case.get_all().await;
}

pub(crate) async fn nested_operations_count_with_the_outer_ones(case: &mut Case) {
    let puts = |name: &str, count: usize| (0..count).map(|n| put(&format!("{name}{n}"))).collect::<Vec<_>>();
    let outer = |count: usize, inner: usize| {
        let mut ops = puts("outer", count - 1);
        ops.push(then(puts("inner", inner)));
        Txn::new().and_then(ops)
    };
    case.txn("1 outer, 127 inner", outer(1, 127)).await;
    case.txn("1 outer, 128 inner", outer(1, 128)).await;
    case.txn("100 outer, 28 inner", outer(100, 28)).await;
    case.txn("100 outer, 29 inner", outer(100, 29)).await;
    let many = (0..127).map(|n| then([put(&format!("many{n}"))])).collect::<Vec<_>>();
    case.txn("127 of one each", Txn::new().and_then(many)).await;
    let deep = then([then([then([put("deep")])])]);
    case.txn("three deep", Txn::new().and_then([deep])).await;
    case.get("", GetOptions::new().with_all_keys().with_count_only()).await;
}

pub(crate) async fn no_key_twice_in_a_branch(case: &mut Case) {
    let range = |key: &str, end: &str| TxnOp::delete(key, Some(DeleteOptions::new().with_range(end)));
    let from = |key: &str| TxnOp::delete(key, Some(DeleteOptions::new().with_from_key()));
    let either = |one: TxnOp, other: TxnOp| TxnOp::txn(Txn::new().and_then([one]).or_else([other]));
    let cases: Vec<(&str, Vec<TxnOp>)> = vec![
        ("two puts", vec![put("a"), put("a")]),
        ("two puts of different keys", vec![put("a"), put("b")]),
        ("put and delete", vec![put("a"), delete("a")]),
        ("delete and put", vec![delete("a"), put("a")]),
        ("two deletes", vec![delete("a"), delete("a")]),
        ("overlapping deletes", vec![range("a", "c"), range("b", "d")]),
        ("a put inside a deleted range", vec![put("b"), range("a", "c")]),
        ("a put at the end of a deleted range", vec![put("c"), range("a", "c")]),
        ("a put at the start of a deleted range", vec![put("a"), range("a", "c")]),
        ("a put before a deleted range", vec![put("Z"), range("a", "c")]),
        ("a put and an inverted range", vec![put("b"), range("c", "a")]),
        ("a put and all keys from before it", vec![put("b"), from("a")]),
        ("a put and all keys after it", vec![put("a"), from("b")]),
        ("outer and inner put", vec![put("a"), then([put("a")])]),
        ("outer delete, inner put", vec![delete("a"), then([put("a")])]),
        ("inner put, outer delete", vec![then([put("a")]), delete("a")]),
        ("inner delete, outer put", vec![then([delete("a")]), put("a")]),
        ("two inner puts", vec![then([put("a")]), then([put("a")])]),
        ("inner put, then inner delete", vec![then([put("a")]), then([delete("a")])]),
        ("inner delete, then inner put", vec![then([delete("a")]), then([put("a")])]),
        ("either branch puts", vec![either(put("a"), put("a"))]),
        ("one branch puts, one deletes", vec![either(put("a"), delete("a"))]),
        ("either branch, and outside", vec![either(put("a"), put("b")), put("b")]),
        ("either branch, twice", vec![either(put("a"), put("b")), either(put("c"), put("b"))]),
        ("far inside", vec![then([then([put("a")])]), put("a")]),
        ("far inside a deleted range", vec![then([then([put("b")])]), range("a", "c")]),
        ("a read of a written key", vec![put("a"), TxnOp::get("a", None)]),
    ];
    for (what, ops) in cases {
        case.txn(what, Txn::new().and_then(ops.clone())).await;
        case.txn(&format!("{what}, not taken"), Txn::new().or_else(ops)).await;
    }
    case.txn("one key in both branches", Txn::new().and_then([put("a")]).or_else([put("a")])).await;
    case.get_all().await;
}

pub(crate) async fn one_revision_for_the_whole_tree(case: &mut Case) {
    let prev = || Some(PutOptions::new().with_prev_key());
    let inner = Txn::new()
        .when([absent("c")])
        .and_then([TxnOp::put("c", "1", prev()), TxnOp::get("a", Some(GetOptions::new().with_from_key()))]);
    let txn = Txn::new().and_then([
        TxnOp::get("a", None),
        TxnOp::put("a", "1", prev()),
        TxnOp::txn(inner.clone()),
        then([then([TxnOp::put("d", "1", prev())]), delete("none")]),
        TxnOp::get("a", Some(GetOptions::new().with_from_key())),
    ]);
    case.txn("first", txn.clone()).await;
    case.txn("second", txn).await;
    case.txn("reads only, nested", Txn::new().and_then([then([TxnOp::get("a", None)])])).await;
    case.txn("a guard fails inside", Txn::new().and_then([TxnOp::txn(inner)])).await;
    let mut stream = case
        .watch("a", etcd_client::WatchOptions::new().with_from_key().with_start_revision(case.at(1)))
        .await;
    case.events(&mut stream, 5).await;
}

pub(crate) async fn a_refusal_inside_refuses_all(case: &mut Case) {
    case.puts(&[("a", "1")]).await;
    let future = case.at(9);
    let refused = [
        ("an unknown lease", TxnOp::put("d", "1", Some(PutOptions::new().with_lease(4711)))),
        ("no value to keep", TxnOp::put("d", "", Some(PutOptions::new().with_ignore_value()))),
        ("a value kept", TxnOp::put("a", "", Some(PutOptions::new().with_ignore_value()))),
        ("the future", TxnOp::get("a", Some(GetOptions::new().with_revision(future)))),
        ("no key", TxnOp::get("", None)),
        ("a guard without a key", TxnOp::txn(Txn::new().when([absent("")]))),
    ];
    for (what, op) in refused {
        case.txn(what, Txn::new().and_then([put("b"), then([put("c"), op.clone()])])).await;
        let untaken = TxnOp::txn(Txn::new().or_else([op]));
        case.txn(&format!("{what}, in a branch not taken"), Txn::new().and_then([put("b"), untaken])).await;
        case.get_all().await;
    }
}
