//! One made-up worker on the wire: the calls of a real one, without a database behind them.

use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use futures_util::stream;
use tdferry_common::id::Epoch;
use tdferry_common::shard::{Checkpoint, Shard, Totals};
use tdferry_proto::v1;
use tdferry_proto::v1::survey_request::Part;
use tdferry_proto::v1::worker_service_client::WorkerServiceClient;
use tonic::transport::{Channel, Endpoint};

/// Subtables in one message, as a real worker sends them.
const PAGE: u64 = 2_000;
/// Names of a group come with every lease.
const MAX_ANSWER_BYTES: usize = 64 * 1024 * 1024;
/// A row of smart meters.
const ROW_BYTES: u32 = 20;

/// A worker with its session.
pub(super) struct Wire {
    client: WorkerServiceClient<Channel>,
    session: i64,
    worker: u64,
    pub(super) heartbeat: Duration,
    held: Option<Lease>,
}

/// A lease and where its shard stands.
#[derive(Debug, Clone)]
pub(super) struct Lease {
    key: v1::LeaseKey,
    fence: u64,
    shard: Shard,
    commits: u32,
}

impl Wire {
    /// Opens a session at one of the coordinators, which it stays with.
    pub(super) async fn register(urls: &[String], worker: u64, slots: u32) -> Result<Self> {
        let at = usize::try_from(worker).unwrap_or(0) % urls.len().max(1);
        let url = urls.get(at).context("no coordinator")?;
        let channel = Endpoint::from_shared(url.clone())?.tcp_nodelay(true).connect().await?;
        let mut client = WorkerServiceClient::new(channel).max_decoding_message_size(MAX_ANSWER_BYTES);
        let version = env!("CARGO_PKG_VERSION").to_owned();
        let request =
            v1::RegisterRequest { worker, host: "scale".into(), version, slots, ..Default::default() };
        let answer = client.register(request).await?.into_inner();
        let heartbeat = Duration::from_millis(answer.heartbeat_millis);
        Ok(Self { client, session: answer.session, worker, heartbeat, held: None })
    }

    /// A lease, if there is one to be had.
    pub(super) async fn claim(&mut self) -> Result<Option<Lease>> {
        let request =
            v1::ClaimRequest { session: self.session, worker: self.worker, slots: 1, tail_slots: 0 };
        let answer = self.client.claim(request).await?.into_inner();
        ensure!(!answer.session_lost, "the session is gone");
        let Some(claimed) = answer.leases.into_iter().next() else { return Ok(None) };
        let shard = Shard::try_from(claimed.shard.context("a lease without its shard")?)?;
        let key = claimed.key.context("a lease without its key")?;
        self.held = Some(Lease { key, fence: claimed.fence, shard, commits: 0 });
        Ok(self.held.clone())
    }

    /// Commits a part of the shard, the last of so many parts with its end; whether the lease still stood.
    pub(super) async fn commit(&mut self, lease: &mut Lease, parts: u32) -> Result<bool> {
        lease.commits += 1;
        let done = lease.commits >= parts;
        let checkpoint = lease.next(parts, done);
        let request = v1::CommitRequest {
            key: Some(lease.key.clone()),
            fence: lease.fence,
            checkpoint: Some(checkpoint.into()),
            ending: if done { v1::Ending::Done } else { v1::Ending::Unspecified }.into(),
            reason: String::new(),
        };
        let answer = self.client.commit(request).await?.into_inner();
        if done {
            self.held = None;
        }
        match answer.verdict() {
            v1::Verdict::Committed => {
                lease.shard.checkpoint = checkpoint;
                Ok(true)
            }
            v1::Verdict::Fenced => Ok(false),
            other => bail!("a commit was answered with {other:?}: {}", answer.message),
        }
    }

    /// Tells what is held; whether the session still stands.
    pub(super) async fn beat(&mut self) -> Result<bool> {
        let request = v1::HeartbeatRequest {
            session: self.session,
            worker: self.worker,
            held: self.held.iter().map(|lease| lease.key.clone()).collect(),
            ..Default::default()
        };
        Ok(!self.client.heartbeat(request).await?.into_inner().session_lost)
    }

    /// Streams a catalog of one stable; how many shards it was cut into.
    pub(super) async fn survey(&mut self, subtables: u64, rows: u64) -> Result<u64> {
        let lease = self.held.clone().context("the survey is not held")?;
        let pages = (0..subtables.div_ceil(PAGE)).map(move |page| page_of(page * PAGE, subtables));
        let parts = [Part::Start(start(&lease, subtables, rows)), Part::Stable(stable(subtables, rows))]
            .into_iter()
            .chain(pages.map(Part::Page))
            .chain([Part::End(v1::SurveyEnd { subtables, ..Default::default() })]);
        let stream = stream::iter(parts.map(|part| v1::SurveyRequest { part: Some(part) }));
        let answer = self.client.survey(stream).await?.into_inner();
        ensure!(answer.verdict() == v1::Verdict::Committed, "the plan was refused: {}", answer.message);
        Ok(answer.found.context("a plan without its sums")?.shards)
    }

    /// Ends the session.
    pub(super) async fn leave(&mut self) -> Result<()> {
        self.client.leave(v1::LeaveRequest { session: self.session, worker: self.worker }).await?;
        Ok(())
    }
}

impl Lease {
    /// The checkpoint after the next commit.
    fn next(&self, parts: u32, done: bool) -> Checkpoint {
        let (shard, stands) = (&self.shard, self.shard.checkpoint);
        let rows = if done { shard.estimate.rows } else { shard.estimate.rows / u64::from(parts) };
        let totals = Totals {
            read: rows,
            written: rows,
            before: Some(0),
            source_counted: rows,
            target_counted: rows,
            ..stands.totals
        };
        let mut offset = stands.offset;
        if done {
            offset = shard.end();
        } else if offset.index < shard.range.to {
            offset.index += shard.range.len() / (parts + 1);
        }
        let epoch = Epoch(self.key.epoch);
        Checkpoint { epoch, seq: stands.seq + 1, offset, totals, sum: None }
    }
}

fn start(lease: &Lease, subtables: u64, rows: u64) -> v1::SurveyStart {
    let cutoff = v1::Cutoff { units: NOW, precision: v1::Precision::Milli.into(), from_source: true };
    v1::SurveyStart {
        key: Some(lease.key.clone()),
        fence: lease.fence,
        version: "2.6.0.0".into(),
        cutoff: Some(cutoff),
        period: Some(v1::Period { from: i64::MIN, to: NOW }),
        stables: 1,
        normal_tables: 0,
        subtables,
        rows: subtables.saturating_mul(rows),
        fingerprint: 1,
    }
}

fn stable(subtables: u64, rows: u64) -> v1::SurveyStable {
    v1::SurveyStable {
        name: "meters".into(),
        rows: subtables.saturating_mul(rows),
        tables: subtables,
        period: Some(v1::Period { from: NOW - YEAR, to: NOW }),
        row_bytes: ROW_BYTES,
    }
}

fn page_of(from: u64, all: u64) -> v1::SurveyPage {
    let name = |n: u64| v1::SurveySubtable { name: format!("meter_{n:012x}"), rows: None, period: None };
    v1::SurveyPage { subtables: (from..all.min(from + PAGE)).map(name).collect() }
}

/// Where the made-up history ends, in milliseconds.
const NOW: i64 = 1_750_000_000_000;
/// How long it is.
const YEAR: i64 = 365 * 86_400_000;
