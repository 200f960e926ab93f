//! `run --cutover`: once the task follows its source and all holds, the mark is set without another question.

use std::time::Duration;

use tdferry_proto::v1;
use tdferry_proto::v1::cutover_request::Step;
use tokio::time::sleep;

use super::Admin;
use crate::output;
use crate::task::{Gate, item_line};

/// Between two looks at the list.
const PACE: Duration = Duration::from_secs(1);

/// Returns once the mark is set. What does not hold yet is told whenever it changes.
pub(super) async fn once_all_holds(mut admin: Admin, name: &str, gate: &Gate) {
    let mut told = Vec::new();
    loop {
        // a coordinator of this very process that does not answer has a story of its own to tell
        if let Ok(answer) = admin.cutover(gate.request(name, Step::Freeze)).await {
            let items = answer.into_inner().items;
            let open: Vec<_> = items.iter().filter(|item| !item.holds).map(item_line).collect();
            if open.is_empty() {
                return output::say("all holds: following ends here; the last rows, then the comparison");
            }
            if is_live(&items) && open != told {
                open.iter().for_each(|line| output::say(line));
            }
            told = open;
        }
        sleep(PACE).await;
    }
}

/// Before that there is nothing to tell that the progress does not show.
fn is_live(items: &[v1::CutoverItem]) -> bool {
    items.first().is_some_and(|item| item.holds)
}
