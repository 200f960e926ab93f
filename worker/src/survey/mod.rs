//! The survey shard: what the source holds, streamed to the coordinator, which answers when the plan is written.
//!
//! A survey restarts whole: nothing of a broken attempt counts.

mod tell;

use tdferry_common::port::{PortResult, Source};
use tdferry_proto::status::ApiError;
use tdferry_proto::v1;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;

use crate::lease::{Attempt, Ended, Finish, Worked};

/// Pages on their way: enough to keep the wire busy, few enough to be nothing in memory.
const PAGES_AHEAD: usize = 4;
/// A coordinator that was lost in the middle is replaced by another so often before the lease is given up.
const TRIES: u32 = 5;

/// Surveys until the coordinator says that the plan counts.
pub(crate) async fn run(attempt: &Attempt) -> Worked<Finish> {
    let source = attempt.source().await?;
    let mut tries = 0;
    loop {
        // an outage of the source starts it again, and is waited out
        let told = attempt.outlast(|tries| survey(attempt, source.as_ref(), tries)).await?;
        tries += 1;
        match told.map_err(|error| Ended::at_database(&error, "surveying the source"))? {
            Ok(answer) => return verdict(&answer),
            Err(ApiError::Unavailable(message)) if tries < TRIES => {
                tracing::warn!(message, "survey broken off; starting it again");
                tokio::time::sleep(attempt.session.timing.heartbeat).await;
            }
            // whether the lease is still ours shows where this is told
            Err(error) => {
                return Err(Ended::Erred(format!("the coordinator does not take the survey: {error}")));
            }
        }
    }
}

async fn survey(
    attempt: &Attempt,
    source: &dyn Source,
    tries: u32,
) -> PortResult<Result<v1::SurveyResponse, ApiError>> {
    let (parts, receiver) = mpsc::channel(PAGES_AHEAD);
    let telling = tell::catalog(attempt, source, parts, tries);
    let answering = attempt.session.client.survey(ReceiverStream::new(receiver));
    // when the source fails the call is dropped, which the coordinator takes for the broken stream that it is
    let answered = async { Ok(answering.await) };
    let ((), answer) = tokio::try_join!(telling, answered)?;
    Ok(answer)
}

fn verdict(answer: &v1::SurveyResponse) -> Worked<Finish> {
    match answer.verdict() {
        v1::Verdict::Committed => Ok(Finish::Told),
        v1::Verdict::Fenced => Err(Ended::Lost(format!("the survey was fenced: {}", answer.message))),
        v1::Verdict::Refused | v1::Verdict::Unspecified => {
            Err(Ended::Erred(format!("the coordinator refused the survey: {}", answer.message)))
        }
    }
}
