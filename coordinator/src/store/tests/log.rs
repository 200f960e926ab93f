//! Everything that was ever stored, for [`crate::invariant::check`].

use std::time::Duration;

use etcd_client::{Client, EventType, WatchOptions};
use tokio::time::timeout;

use crate::invariant::Written;
use crate::keys;

/// The log of all revisions up to now.
pub(crate) async fn log(mut client: Client) -> Vec<Written> {
    let now = client.get(keys::FORMAT, None).await.unwrap().header().unwrap().revision();
    // something to wait for behind everything else
    let mark = format!("{}mark", keys::ROOT);
    client.put(mark.as_str(), "", None).await.unwrap();
    let options = WatchOptions::new().with_prefix().with_start_revision(1);
    let mut watch = client.watch(keys::ROOT, Some(options)).await.unwrap();
    let mut log = Vec::new();
    loop {
        let answer = timeout(Duration::from_secs(20), watch.message()).await.unwrap().unwrap().unwrap();
        assert!(!answer.canceled(), "history is gone");
        for event in answer.events() {
            let kv = event.kv().unwrap();
            if kv.mod_revision() > now {
                return log;
            }
            let value = (event.event_type() == EventType::Put).then(|| kv.value().to_vec());
            log.push(Written { revision: kv.mod_revision(), key: kv.key().to_vec(), value });
        }
    }
}
