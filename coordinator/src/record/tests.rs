//! Golden files, round trips, and damage: every flipped byte of every record is refused.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use proptest::prelude::*;
use tdferry_common::id::{ClaimId, Epoch, GroupId, PlanId, SessionId, ShardId, WorkerId};
use tdferry_common::offset::Offset;
use tdferry_common::shard::{
    Checkpoint, Density, Differing, Estimate, Extra, Range, Shard, ShardKind, ShardState, Totals,
};
use tdferry_common::task::{Control, Cutoff, Found, Phase, Planned, TaskState};
use tdferry_common::time::{Period, Precision};

use super::*;

fn shard() -> Shard {
    let mut shard = Shard::planned(
        ShardId::copy(GroupId(7), 3).child(1),
        ShardKind::Copy(Density::Sparse),
        Some(GroupId(7)),
        Range { from: 16, to: 4096 },
        Period { from: -5, to: 1_700_000_000_000 },
    );
    shard.estimate = Estimate { rows: 1_000_000, bytes: 64_000_000 };
    shard.checkpoint = Checkpoint {
        epoch: Epoch(812),
        seq: 9,
        offset: Offset { index: 40, next: -5 },
        totals: Totals {
            read: 10,
            written: 9,
            rejected: 1,
            bytes: 640,
            tables: 24,
            before: Some(2),
            source_counted: 10,
            target_counted: 11,
            expired: 3,
            differing: Differing { tables: 1, missing: 2, extra: 3, changed: 4, unlike: 6, extra_tables: 7 },
            kept: 5,
            merged: 8,
            left_out: 0x99,
            newest: Some(1_700_000_000_000),
            late: 9,
        },
        sum: Some(0x0123_4567_89ab_cdef_0011_2233_4455_6677),
    };
    shard.expected = Some(0x1122);
    shard.round = 2;
    shard.claims = 2;
    shard.claim = Some(ClaimId(0xfeed));
    shard.last_error = Some("sink is not reachable: größer".into());
    shard
}

fn active() -> TaskState {
    let cutoff = Cutoff { units: 1_700_000_000_000, precision: Precision::Milli, from_source: true };
    let found = Found { stables: 2, subtables: 31, normal_tables: 1, rows: 5_000, bytes: 320_000, shards: 8 };
    TaskState::Active {
        phase: Phase::Copy,
        planned: Planned { plan: PlanId(0xabc), cutoff, fingerprint: 77, found, excused: 0, mark: None },
    }
}

fn worker() -> WorkerRecord {
    WorkerRecord {
        worker: WorkerId(3),
        session: SessionId(99),
        host: "node-1".into(),
        version: "0.1.0".into(),
        slots: 8,
        labels: BTreeMap::from([("dc".into(), "a".into())]),
        draining: false,
        waiting: vec![WaitingRecord {
            task: "migrate-test".into(),
            what: WaitingFor::Source,
            message: "connection refused".into(),
            since_millis: 1_700_000_000_000,
        }],
        notices: vec![],
    }
}

fn group() -> Group {
    let names =
        (0..2_000).map(|n| format!("d{:07}", n * 3)).chain(["größe".into(), "grün".into(), String::new()]);
    Group { stable: "meters".into(), names: names.collect() }
}

type Reads = fn(&[u8]) -> bool;

/// Every kind of record with its golden file, and whether bytes are read as one without error.
fn records() -> Vec<(&'static str, Vec<u8>, Reads)> {
    let lease = LeaseRecord { worker: WorkerId(3), session: SessionId(-4), claim: ClaimId(5) };
    let coordinator = CoordinatorRecord { address: "10.0.0.1:7410".into(), version: "0.1.0".into() };
    let drains = Drains {
        workers: BTreeSet::from([WorkerId(3)]),
        labels: BTreeSet::from([("dc".into(), "a".into())]),
    };
    let format = Format { gates: BTreeSet::from(["tails".into()]), ..Format::new(StoreId(0xdead_beef)) };
    vec![
        ("shard", encode_shard(&shard()), |bytes| decode_shard(&shard().id, bytes).is_ok()),
        ("group", group().encode().unwrap(), |bytes| Group::decode(bytes).is_ok()),
        ("lease", lease.encode(), |bytes| LeaseRecord::decode(bytes).is_ok()),
        ("spec", encode_spec(r#"{"version":1,"name":"a"}"#), |bytes| decode_spec(bytes).is_ok()),
        ("state", encode_state(&active()), |bytes| decode_state(bytes).is_ok()),
        ("control", encode_control(Control::Pause), |bytes| decode_control(bytes).is_ok()),
        ("fence", encode_fence(258), |bytes| decode_fence(bytes).is_ok()),
        ("worker", worker().encode(), |bytes| WorkerRecord::decode(bytes).is_ok()),
        ("coordinator", coordinator.encode(), |bytes| CoordinatorRecord::decode(bytes).is_ok()),
        ("drains", drains.encode(), |bytes| Drains::decode(bytes).is_ok()),
        ("rebalance", Rebalance { asked_millis: 7 }.encode(), |bytes| Rebalance::decode(bytes).is_ok()),
        ("format", format.encode(), |bytes| Format::decode(bytes).is_ok()),
    ]
}

fn golden(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(format!("{name}.bin"))
}

/// With `TDFERRY_WRITE_GOLDEN=1` missing files are written; an existing one is never changed.
#[test]
fn records_written_by_this_version_are_those_that_were_stored_before() {
    for (name, bytes, reads) in records() {
        let path = golden(name);
        if !path.exists() && std::env::var_os("TDFERRY_WRITE_GOLDEN").is_some() {
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(&path, &bytes).unwrap();
        }
        let stored = std::fs::read(&path).unwrap_or_else(|err| panic!("{}: {err}", path.display()));
        assert!(reads(&stored), "the stored {name} is not read any more");
        if name == "group" {
            // what is packed may differ from one release of zstd to the next, what it unfolds to may not
            assert_eq!(Group::decode(&stored), Group::decode(&bytes));
        } else {
            assert_eq!(stored, bytes, "a {name} is written otherwise than before: raise its version");
        }
    }
}

#[test]
fn a_shard_of_version_1_is_read_without_what_came_later() {
    let stored = std::fs::read(golden("shard-v1")).unwrap();
    let mut former = shard_of_version_3();
    former.checkpoint.totals.differing = Differing::default();
    former.checkpoint.totals.kept = 0;
    (former.checkpoint.sum, former.expected, former.round) = (None, None, 0);
    assert_eq!(decode_shard(&former.id, &stored), Ok(former));
}

#[test]
fn a_shard_of_version_2_is_read_without_what_came_later() {
    let stored = std::fs::read(golden("shard-v2")).unwrap();
    let mut former = shard_of_version_3();
    former.checkpoint.totals.kept = 0;
    assert_eq!(decode_shard(&former.id, &stored), Ok(former));
}

#[test]
fn a_shard_of_version_3_is_read_without_what_came_later() {
    let stored = std::fs::read(golden("shard-v3")).unwrap();
    let former = shard_of_version_3();
    assert_eq!(decode_shard(&former.id, &stored), Ok(former));
}

#[test]
fn a_shard_of_version_4_is_read_without_what_came_later() {
    let stored = std::fs::read(golden("shard-v4")).unwrap();
    let former = shard_of_version_4();
    assert_eq!(decode_shard(&former.id, &stored), Ok(former));
}

fn shard_of_version_4() -> Shard {
    let mut former = shard();
    let totals = &mut former.checkpoint.totals;
    (totals.newest, totals.late) = (None, 0);
    former
}

fn shard_of_version_3() -> Shard {
    let mut former = shard_of_version_4();
    let totals = &mut former.checkpoint.totals;
    (totals.merged, totals.left_out) = (0, 0);
    totals.differing = Differing { unlike: 0, extra_tables: 0, ..totals.differing };
    former
}

#[test]
fn every_flipped_byte_of_every_record_is_refused() {
    for (name, bytes, reads) in records() {
        assert!(reads(&bytes), "{name}");
        for at in 0..bytes.len() {
            for flip in [0x01, 0x80, 0xff] {
                let mut damaged = bytes.clone();
                damaged[at] ^= flip;
                assert!(!reads(&damaged), "{name} with byte {at} flipped by {flip:#x}");
            }
        }
    }
}

#[test]
fn a_record_cut_short_or_drawn_out_is_refused() {
    for (name, bytes, reads) in records() {
        assert!((0..bytes.len()).all(|len| !reads(&bytes[..len])), "{name}");
        assert!(!reads(&[bytes.as_slice(), &[0]].concat()), "{name}");
    }
}

#[test]
fn a_record_of_a_later_version_says_that_this_one_is_too_old() {
    let later = frame::seal(2, &[1]);
    assert_eq!(decode_control(&later), Err(Damage::Version { found: 2, known: 1 }));
    assert!(decode_control(&later).unwrap_err().to_string().contains("upgrade"));
}

#[test]
fn the_longest_shard_stays_below_its_bound() {
    let long = "ü".repeat(5_000);
    let shard = Shard {
        state: ShardState::Failed { reason: long.clone() },
        last_error: Some(long),
        checkpoint: Checkpoint { sum: Some(u128::MAX), ..shard().checkpoint },
        ..shard()
    };
    let bytes = encode_shard(&shard);
    assert!(bytes.len() < 1_200, "{}", bytes.len());
    let read = decode_shard(&shard.id, &bytes).unwrap();
    let ShardState::Failed { reason } = read.state else { panic!("{:?}", read.state) };
    assert!(reason.len() <= usize::from(shard::MAX_REASON) && reason.starts_with("üüü"));
}

#[test]
fn a_group_that_is_too_large_is_refused_and_says_so() {
    let mut state = 1_u64;
    let mut name = |_| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        format!("{:016x}{state:016x}", state.rotate_left(29))
    };
    let group = Group { stable: "s".into(), names: (0..20_000).map(&mut name).collect() };
    let refused = group.encode().unwrap_err().to_string();
    assert!(refused.contains("20000 names") && refused.contains("cut it"), "{refused}");
}

#[test]
fn a_million_subtables_of_the_usual_kind_take_a_few_bytes_each() {
    let names = (0..4096).map(|n| format!("d{n:08}")).collect();
    let bytes = Group { stable: "meters".into(), names }.encode().unwrap().len();
    assert!(bytes < 4096 * 4, "{bytes} bytes for 4096 names");
}

fn any_totals() -> impl Strategy<Value = Totals> {
    let others = (any::<Option<u64>>(), any::<u128>(), any::<Option<i64>>());
    (any::<[u64; 17]>(), others).prop_map(|(n, (before, left_out, newest))| Totals {
        read: n[0],
        written: n[1],
        rejected: n[2],
        bytes: n[3],
        tables: n[4],
        before,
        source_counted: n[5],
        target_counted: n[6],
        expired: n[7],
        differing: Differing {
            tables: n[8],
            missing: n[9],
            extra: n[10],
            changed: n[11],
            unlike: n[13],
            extra_tables: n[14],
        },
        kept: n[12],
        merged: n[15],
        left_out,
        newest,
        late: n[16],
    })
}

fn any_shard() -> impl Strategy<Value = Shard> {
    let kind = prop_oneof![
        Just(ShardKind::Survey),
        Just(ShardKind::Schema),
        Just(ShardKind::Create),
        Just(ShardKind::Copy(Density::Dense)),
        Just(ShardKind::Copy(Density::Sparse)),
        Just(ShardKind::VerifyTags),
        Just(ShardKind::VerifyTables),
        Just(ShardKind::Verify(Density::Dense)),
        Just(ShardKind::Verify(Density::Sparse)),
        Just(ShardKind::Repair(Density::Dense, Extra::Kept)),
        Just(ShardKind::Repair(Density::Sparse, Extra::Kept)),
        Just(ShardKind::Repair(Density::Dense, Extra::Deleted)),
        Just(ShardKind::Repair(Density::Sparse, Extra::Deleted)),
    ];
    let state = prop_oneof![
        Just(ShardState::Open),
        Just(ShardState::Done),
        ".{0,100}".prop_map(|reason| ShardState::Failed { reason }),
        ".{0,100}".prop_map(|finding| ShardState::Differs { finding }),
    ];
    let place = (any::<Option<u32>>(), any::<[u32; 2]>(), any::<[i64; 2]>(), any::<[u64; 2]>());
    let checkpoint = (any::<i64>(), any::<u64>(), any::<(u32, i64)>(), any_totals(), any::<Option<u128>>());
    let claims = (any::<u32>(), any::<Option<u64>>(), proptest::option::of(".{0,100}"));
    let compared = any::<(Option<u128>, u32)>();
    let all = (kind, state, place, checkpoint, claims, compared);
    all.prop_map(|(kind, state, place, at, claims, compared)| Shard {
        id: ShardId::survey(),
        kind,
        group: place.0.map(GroupId),
        range: Range { from: place.1[0], to: place.1[1] },
        period: Period { from: place.2[0], to: place.2[1] },
        estimate: Estimate { rows: place.3[0], bytes: place.3[1] },
        expected: compared.0,
        round: compared.1,
        state,
        checkpoint: Checkpoint {
            epoch: Epoch(at.0),
            seq: at.1,
            offset: Offset { index: at.2.0, next: at.2.1 },
            totals: at.3,
            sum: at.4,
        },
        claims: claims.0,
        claim: claims.1.map(ClaimId),
        last_error: claims.2,
    })
}

proptest! {
    #[test]
    fn any_shard_reads_back(shard in any_shard()) {
        prop_assert_eq!(decode_shard(&shard.id, &encode_shard(&shard)), Ok(shard));
    }

    #[test]
    fn any_names_read_back_in_order(stable in ".{0,40}", names in prop::collection::vec("[a-d]{0,6}|.{0,12}", 0..60)) {
        let group = Group { stable, names };
        prop_assert_eq!(Group::decode(&group.encode().unwrap()), Ok(group));
    }

    #[test]
    fn any_fence_and_lease_read_back(fence: u64, worker: u64, session: i64, claim: u64) {
        prop_assert_eq!(decode_fence(&encode_fence(fence)), Ok(fence));
        let lease = LeaseRecord { worker: WorkerId(worker), session: SessionId(session), claim: ClaimId(claim) };
        prop_assert_eq!(LeaseRecord::decode(&lease.encode()), Ok(lease));
    }

    #[test]
    fn any_bytes_are_read_or_refused_without_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let sealed = frame::seal(1, &bytes);
        for candidate in [&bytes, &sealed] {
            let _ = decode_shard(&ShardId::survey(), candidate);
            let _ = Group::decode(candidate);
            let _ = decode_state(candidate);
        }
    }
}

#[test]
fn every_state_of_a_task_reads_back() {
    let TaskState::Active { planned, .. } = active() else { unreachable!() };
    for state in [
        TaskState::Surveying,
        active(),
        TaskState::Completed { planned, rejected: 3, at_millis: 5 },
        TaskState::Active { phase: Phase::Repair(2), planned },
        TaskState::Differs {
            planned,
            round: 1,
            shards: 2,
            differing: Differing { tables: 1, ..Differing::default() },
            rejected: 3,
            at_millis: 5,
        },
        TaskState::Failed { phase: Phase::Verify(1), planned: None, reason: "no".into(), at_millis: 1 },
        TaskState::Failed { phase: Phase::Survey, planned: None, reason: "no".into(), at_millis: -1 },
    ] {
        assert_eq!(decode_state(&encode_state(&state)), Ok(state));
    }
}
