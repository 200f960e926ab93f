//! A disk that loses or tears what was not synced, cut at every sync of a run: the store that opens on
//! what is left holds exactly what was acknowledged, and of the operation in flight all or nothing.

#![expect(clippy::expect_used, reason = "in a test a failed expectation is the answer")]

mod disk;

use disk::{Cut, Disk};
use etcd_client::{
    Client, Compare, CompareOp, DeleteOptions, GetOptions, LeaseGrantOptions, LeaseTimeToLiveOptions,
    PutOptions, Txn, TxnOp,
};
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use tdferry_embedded::{Embedded, Options, RedbStorage};

const OPERATIONS: u64 = 60;
/// How often each cut is torn, each time differently.
const TEARS: u64 = 3;

/// What was readable after an operation was acknowledged, and how much had gone to the disk by then.
struct Acknowledged {
    journal: usize,
    state: String,
}

#[tokio::test]
async fn whatever_is_lost_or_torn_the_acknowledged_stays() {
    let disk = Disk::default();
    let (made, states) = run(&disk).await;
    let journal = disk.journal();
    let mut cuts = 0;
    // Making the file itself is left out here: `open` makes it elsewhere and moves it into place.
    for cut in Cut::all(&journal, TEARS).into_iter().filter(|cut| cut.at >= made) {
        let reopened = state_after(cut.image(&journal)).await;
        let acknowledged = states.iter().take_while(|state| state.journal <= cut.at).count();
        let allowed: Vec<&str> = match acknowledged.checked_sub(1) {
            Some(last) => states[last..].iter().take(2).map(|state| state.state.as_str()).collect(),
            // Nobody had been promised anything yet.
            None => vec![states[0].state.as_str()],
        };
        let found = allowed.contains(&reopened.as_str());
        assert!(
            found,
            "{cut:?}, {acknowledged} acknowledged: found\n{reopened}\ninstead of\n{}",
            allowed.join("\nor\n")
        );
        cuts += 1;
    }
    let changes = states.windows(2).filter(|pair| pair[0].state != pair[1].state).count() as u64;
    assert!(changes > OPERATIONS / 2, "the run changes too little: {changes}");
    assert!(cuts >= changes * (TEARS + 1), "each of {changes} changes is synced by itself, yet {cuts} cuts");
}

/// Makes every kind of change and writes down what is readable after each; also tells how much was asked
/// of the disk until there was a file.
async fn run(disk: &Disk) -> (usize, Vec<Acknowledged>) {
    let storage = RedbStorage::on(disk.clone()).await.expect("a new store");
    let made = disk.journal().len();
    let store = Embedded::open_with(storage, Options::seeded(3)).await.expect("start");
    let mut client = store.client().await.expect("client");
    let mut states = vec![Acknowledged { journal: disk.journal().len(), state: dump(&mut client).await }];
    let mut rng = SmallRng::seed_from_u64(11);
    for step in 0..OPERATIONS {
        change(&mut client, &mut rng, step).await;
        states.push(Acknowledged { journal: disk.journal().len(), state: dump(&mut client).await });
    }
    (made, states)
}

async fn change(client: &mut Client, rng: &mut SmallRng, step: u64) {
    let key = format!("k{}", rng.random_range(0..8));
    let value = "v".repeat(rng.random_range(0..6000));
    let lease = rng.random_range(1..=2);
    match step % 10 {
        0..=3 => drop(client.put(key, value, None).await.expect("put")),
        4 => {
            let options = LeaseGrantOptions::new().with_id(lease);
            // It may be granted already; then this step changes nothing.
            let _ = client.lease_grant(600 + lease, Some(options)).await;
        }
        5 => {
            let leased = PutOptions::new().with_lease(lease);
            let put = TxnOp::put(key.as_str(), value, Some(leased));
            let txn = Txn::new().when([Compare::version(key.as_str(), CompareOp::Less, 100)]).and_then([
                put,
                TxnOp::put("always", "x", None),
                TxnOp::delete("k1x", None),
            ]);
            let _ = client.txn(txn).await;
        }
        6 => drop(client.delete(key, Some(DeleteOptions::new().with_prefix())).await.expect("delete")),
        7 => {
            let _ = client.lease_revoke(lease).await;
        }
        8 => drop(client.lease_grant(77, None).await.expect("an id of the store's choice")),
        _ => {
            let now = client.get("x", None).await.expect("get").header().expect("header").revision();
            let _ = client.compact(now - 3, None).await;
        }
    }
}

async fn state_after(image: Vec<u8>) -> String {
    let storage = RedbStorage::on(Disk::from_image(image)).await.expect("what is left can be opened");
    let store = Embedded::open_with(storage, Options::seeded(3)).await.expect("start");
    dump(&mut store.client().await.expect("client")).await
}

/// All that a client can see: every readable revision, every lease with its time and keys.
async fn dump(client: &mut Client) -> String {
    let now = client.get("x", None).await.expect("get").header().expect("header").revision();
    let mut out = String::new();
    for at in (1..=now).rev() {
        let options = GetOptions::new().with_all_keys().with_revision(at);
        let Ok(got) = client.get("", Some(options)).await else { break };
        for kv in got.kvs() {
            let (key, sum) = (kv.key_str().expect("text"), kv.value().len());
            let numbers = (kv.create_revision(), kv.mod_revision(), kv.version(), kv.lease());
            out.push_str(&format!("{at}: {key} {sum} {numbers:?}\n"));
        }
    }
    let mut leases = Vec::new();
    for lease in client.leases().await.expect("leases").leases() {
        let options = LeaseTimeToLiveOptions::new().with_keys();
        let state = client.lease_time_to_live(lease.id(), Some(options)).await.expect("time to live");
        leases.push(format!("lease {} {} {:?}\n", lease.id(), state.granted_ttl(), state.keys()));
    }
    leases.sort();
    format!("now {now}\n{out}{}", leases.concat())
}
