//! A script's hands: every request is made, and its whole answer written down.

use std::fmt::Write;
use std::time::Duration;

use etcd_client::{
    Client, CompactionOptions, DeleteOptions, GetOptions, LeaseGrantOptions, LeaseKeepAliveResponse,
    LeaseKeepAliveStream, LeaseKeeper, LeaseTimeToLiveOptions, PutOptions, Txn, WatchOptions, WatchStream,
};

use crate::render::{Base, error, text};

/// Long enough for a lease of two seconds to end on a busy machine.
const ANSWER_WITHIN: Duration = Duration::from_secs(30);

pub(crate) struct Case {
    pub(crate) client: Client,
    base: Base,
    answers: String,
}

impl Case {
    pub(crate) async fn new(mut client: Client) -> Self {
        let now = client.get("any", None).await.expect("first read");
        let base = Base(now.header().expect("header").revision());
        Self { client, base, answers: String::new() }
    }

    pub(crate) fn into_answers(self) -> String {
        self.answers
    }

    /// The revision `steps` after the case began.
    pub(crate) fn at(&self, steps: i64) -> i64 {
        self.base.0 + steps
    }

    pub(crate) fn note(&mut self, line: impl AsRef<str>) {
        let _ = writeln!(self.answers, "{}", line.as_ref());
    }

    /// Several plain puts, written down as one line each.
    pub(crate) async fn puts(&mut self, pairs: &[(&str, &str)]) {
        for (key, value) in pairs {
            self.put(key, value, PutOptions::new()).await;
        }
    }

    pub(crate) async fn put(&mut self, key: &str, value: &str, options: PutOptions) {
        let answer = match self.client.put(key, value, Some(options)).await {
            Ok(put) => {
                let prev = self.base.prev(put.0.prev_kv.as_ref());
                format!("{}{prev}", self.base.header(put.0.header.as_ref()))
            }
            Err(refused) => error(&refused),
        };
        self.note(format!("put {} {} -> {answer}", text(key.as_bytes()), text(value.as_bytes())));
    }

    pub(crate) async fn get(&mut self, key: &str, options: GetOptions) {
        let answer = match self.client.get(key, Some(options)).await {
            Ok(get) => self.base.range(&get.0),
            Err(refused) => error(&refused),
        };
        self.note(format!("get {} -> {answer}", text(key.as_bytes())));
    }

    pub(crate) async fn get_all(&mut self) {
        self.get("", GetOptions::new().with_all_keys()).await;
    }

    pub(crate) async fn delete(&mut self, key: &str, options: DeleteOptions) {
        let answer = match self.client.delete(key, Some(options)).await {
            Ok(delete) => {
                let (header, prev) = (self.base.header(delete.0.header.as_ref()), &delete.0.prev_kvs);
                format!("{header} deleted={} [{}]", delete.0.deleted, self.base.kvs(prev))
            }
            Err(refused) => error(&refused),
        };
        self.note(format!("delete {} -> {answer}", text(key.as_bytes())));
    }

    pub(crate) async fn txn(&mut self, what: &str, txn: Txn) {
        let answer = match self.client.txn(txn).await {
            Ok(txn) => self.base.txn(&txn.0),
            Err(refused) => error(&refused),
        };
        self.note(format!("txn {what} -> {answer}"));
    }

    pub(crate) async fn compact(&mut self, revision: i64) {
        let shown = self.base.revision(revision);
        let answer = match self.client.compact(revision, Some(CompactionOptions::new().with_physical())).await
        {
            Ok(compaction) => self.base.header(compaction.0.header.as_ref()),
            Err(refused) => error(&refused),
        };
        self.note(format!("compact {shown} -> {answer}"));
    }

    pub(crate) async fn grant(&mut self, id: i64, ttl: i64) {
        let answer = match self.client.lease_grant(ttl, Some(LeaseGrantOptions::new().with_id(id))).await {
            Ok(grant) => {
                let id = if id == 0 { "any".to_owned() } else { grant.0.id.to_string() };
                let header = self.base.header(grant.0.header.as_ref());
                format!("{header} id={id} ttl={} {:?}", grant.0.ttl, grant.0.error)
            }
            Err(refused) => error(&refused),
        };
        self.note(format!("grant {id} {ttl} -> {answer}"));
    }

    pub(crate) async fn revoke(&mut self, id: i64) {
        let answer = match self.client.lease_revoke(id).await {
            Ok(revoke) => self.base.header(revoke.0.header.as_ref()),
            Err(refused) => error(&refused),
        };
        self.note(format!("revoke {id} -> {answer}"));
    }

    /// Ends every lease, without a word: ids that the server chose differ.
    pub(crate) async fn revoke_all(&mut self) {
        for lease in self.client.leases().await.expect("leases").leases() {
            self.client.lease_revoke(lease.id()).await.expect("revoke");
        }
    }

    pub(crate) async fn keep_alive(&mut self, id: i64) {
        let answer = match self.client.lease_keep_alive(id).await {
            // The client has swallowed the answer to its first request, so a second one is made.
            Ok((mut keeper, mut stream)) => match keep(&mut keeper, &mut stream).await {
                Ok(Some(kept)) => {
                    let header = self.base.header(kept.0.header.as_ref());
                    format!("{header} id={} ttl={}", kept.0.id, kept.0.ttl)
                }
                Ok(None) => "the stream ended".to_owned(),
                Err(refused) => error(&refused),
            },
            Err(etcd_client::Error::LeaseKeepAliveError(words)) => format!("the client says: {words}"),
            Err(refused) => error(&refused),
        };
        self.note(format!("keep alive {id} -> {answer}"));
    }

    /// The remaining time is shown as "full" or "less", since it runs.
    pub(crate) async fn time_to_live(&mut self, id: i64) {
        let options = LeaseTimeToLiveOptions::new().with_keys();
        let answer = match self.client.lease_time_to_live(id, Some(options)).await {
            Ok(state) => {
                let header = self.base.header(state.0.header.as_ref());
                let mut keys: Vec<String> = state.0.keys.iter().map(|key| text(key)).collect();
                keys.sort();
                let remaining = match state.0.ttl {
                    -1 => "unknown",
                    ttl if ttl >= 0 && ttl >= state.0.granted_ttl - 2 => "full",
                    _ => "less",
                };
                format!("{header} {remaining} of {} [{}]", state.0.granted_ttl, keys.join(" "))
            }
            Err(refused) => error(&refused),
        };
        self.note(format!("time to live {id} -> {answer}"));
    }

    pub(crate) async fn leases(&mut self) {
        let answer = self.client.leases().await.expect("leases");
        let ids: Vec<i64> = answer.leases().iter().map(etcd_client::LeaseStatus::id).collect();
        self.note(format!("leases -> {} {ids:?}", self.base.header(answer.0.header.as_ref())));
    }

    /// Opens a stream with one watcher and writes down its first answer.
    pub(crate) async fn watch(&mut self, key: &str, options: WatchOptions) -> WatchStream {
        let mut stream = self.client.watch(key, Some(options)).await.expect("watch");
        self.watch_answer(&mut stream).await;
        stream
    }

    /// Writes down the next answer that carries no events.
    pub(crate) async fn watch_answer(&mut self, stream: &mut WatchStream) {
        let answer = next(stream).await;
        let header = self.base.header(answer.0.header.as_ref());
        let compacted = self.base.revision(answer.0.compact_revision);
        let (id, reason) = (answer.0.watch_id, answer.0.cancel_reason);
        let flags = [(answer.0.created, "created"), (answer.0.canceled, "canceled")];
        let flags: Vec<&str> = flags.iter().filter(|(set, _)| *set).map(|(_, name)| *name).collect();
        self.note(format!("watch {id}: {header} {} compacted={compacted} {reason:?}", flags.join("+")));
        assert!(answer.0.events.is_empty(), "events came where none were expected: {:?}", answer.0.events);
    }

    /// Writes down the next `count` events, whatever answers they come in.
    pub(crate) async fn events(&mut self, stream: &mut WatchStream, count: usize) {
        let mut seen = 0;
        while seen < count {
            let answer = next(stream).await;
            assert!(!answer.0.events.is_empty(), "an answer without events: {answer:?}");
            for event in &answer.0.events {
                self.note(format!("watch {}: {}", answer.0.watch_id, self.base.event(event)));
                seen += 1;
            }
        }
        assert_eq!(seen, count, "more events than expected");
    }
}

async fn keep(
    keeper: &mut LeaseKeeper,
    stream: &mut LeaseKeepAliveStream,
) -> Result<Option<LeaseKeepAliveResponse>, etcd_client::Error> {
    keeper.keep_alive().await?;
    tokio::time::timeout(ANSWER_WITHIN, stream.message()).await.expect("an answer in time")
}

async fn next(stream: &mut WatchStream) -> etcd_client::WatchResponse {
    let answer = tokio::time::timeout(ANSWER_WITHIN, stream.message()).await;
    answer.expect("an answer in time").expect("a sound stream").expect("an open stream")
}
