//! Deleting rows of the target that were seen, and no others between them: those that a task's condition leaves out lie
//! there unseen.

use tdferry_common::port::{Side, Sink, Tables};
use tdferry_common::time::Period;

use crate::lease::{Attempt, Worked};

/// Deletes the rows of these moments, which ascend. A stretch of them is deleted at once where the target, asked without
/// a condition, counts as many rows in it as are to go; else it is halved.
pub(super) async fn delete(attempt: &Attempt, sink: &dyn Sink, table: &str, times: &[i64]) -> Worked<()> {
    let mut rest = vec![times];
    while let Some(times) = rest.pop() {
        let Some(period) = span(times) else { continue };
        let whole = times.len() == 1 || counted(attempt, sink, table, period).await? == Some(times.len());
        if whole {
            attempt.session.writable().await;
            let delete = || sink.delete(table, period);
            attempt.ask("deleting rows that the source does not have", Side::Sink, delete).await?;
        } else {
            let (earlier, later) = times.split_at(times.len() / 2);
            rest.extend([later, earlier]);
        }
    }
    Ok(())
}

/// From the first moment to just past the last.
pub(super) fn span(times: &[i64]) -> Option<Period> {
    let (first, last) = (times.first()?, times.last()?);
    Some(Period { from: *first, to: last.saturating_add(1) })
}

async fn counted(attempt: &Attempt, sink: &dyn Sink, table: &str, period: Period) -> Worked<Option<usize>> {
    let count = || sink.count(Tables::One { name: table }, period);
    Ok(usize::try_from(attempt.ask("counting rows", Side::Sink, count).await?).ok())
}
