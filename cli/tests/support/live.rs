//! A cluster of processes with one task, `move-power`, that follows its source.

use std::path::Path;
use std::time::Duration;

use tokio::process::Child;
use tokio::time::{sleep, timeout};

use super::process::{answer, started, tdferry};
use super::servers::{Servers, task_file};

/// Far longer than anything here takes on a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(120);
pub(crate) const LOOK_EVERY: Duration = Duration::from_millis(200);

/// A coordinator with the task, and its address.
pub(crate) async fn coordinator(folder: &Path, servers: &Servers, options: &str) -> (Child, String) {
    coordinator_of(folder, servers, &format!("mode = \"both\"\n{options}")).await
}

/// The same with these options alone.
pub(crate) async fn coordinator_of(folder: &Path, servers: &Servers, options: &str) -> (Child, String) {
    let (store, file) = (folder.join("state"), folder.join("task.toml"));
    let text = task_file("move-power", servers, "power") + "[options]\n" + options;
    std::fs::write(&file, text).unwrap();
    let (store, file) = (store.to_str().unwrap(), file.to_str().unwrap());
    let args = ["coordinator", "--listen", "127.0.0.1:0", "--store", store, "--heartbeat", "500ms"];
    let (coordinator, line) = started(&args, "listening on").await;
    let address = line.split_whitespace().find(|word| word.starts_with("127.0.0.1:")).unwrap();
    let address = format!("http://{}", address.trim_end_matches(','));
    let created = answer(&["task", "create", "-f", file, "--coordinator", &address]).await;
    assert_eq!(created.code, 0, "{}", created.stderr);
    (coordinator, address)
}

pub(crate) fn worker(coordinator: &str) -> Child {
    let mut command = tdferry(&["worker", "--coordinator", coordinator, "--slots", "2"]);
    command.env("TDFERRY_TEST_PASSWORD", "taosdata").stderr(std::process::Stdio::null());
    command.spawn().unwrap()
}

/// Waits until both sides hold the same; how many rows.
pub(crate) async fn until_equal(servers: &Servers) -> u64 {
    let mut last = None;
    let looked = timeout(PATIENCE, async {
        loop {
            let compared = servers.compare("power", "power").await;
            if compared.is_equal() {
                return compared.rows;
            }
            last = Some(compared.differences);
            sleep(LOOK_EVERY).await;
        }
    });
    match looked.await {
        Ok(rows) => rows,
        Err(_) => panic!("the target never holds what the source holds: {last:#?}"),
    }
}

pub(crate) async fn until_state(coordinator: &str, wanted: &str) {
    let looked = timeout(PATIENCE, async {
        loop {
            let told = answer(&["task", "show", "move-power", "--json", "--coordinator", coordinator]).await;
            if told.json()["state"] == wanted {
                return;
            }
            sleep(LOOK_EVERY).await;
        }
    });
    looked.await.unwrap_or_else(|_| panic!("the task never is {wanted}"));
}
