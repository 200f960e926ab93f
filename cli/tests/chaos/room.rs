//! Room in etcd's files: filled up to their quota, and made again.

use anyhow::{Context, Result, bail, ensure};
use etcd_client::{AlarmAction, AlarmOptions, AlarmType, CompactionOptions};

use crate::actor::PATIENCE;
use crate::cast::Cast;
use crate::etcd::MEMBERS;
use crate::wait::until;

/// What etcd's file is filled with, at a time: a fraction of what a request may have.
const FILLING_BYTES: usize = 512 * 1024;
/// More than fit.
const FILLINGS: usize = 128;
const FILLING: &str = "filling";

/// Writes until etcd refuses to; its alarm is listed then.
pub(crate) async fn fill(cast: &Cast) -> Result<()> {
    let filling = vec![7; FILLING_BYTES];
    let mut client = cast.etcd.any().await?;
    for _ in 0..FILLINGS {
        let Err(full) = client.put(FILLING, filling.clone(), None).await else { continue };
        ensure!(full.to_string().contains("space"), "not full, but {full}");
        let listed = client.alarm(AlarmAction::Get, AlarmType::Nospace, None).await?;
        ensure!(!listed.alarms().is_empty(), "no alarm is listed");
        return Ok(());
    }
    bail!("there is room for more than {FILLINGS} writes of {FILLING_BYTES} bytes")
}

/// Makes room as an operator does, until no alarm is left.
pub(crate) async fn made(cast: &Cast) -> Result<()> {
    let room = || async { Box::pin(make(cast)).await.ok() };
    until(PATIENCE, "room made", room).await
}

/// The same if an alarm is listed.
pub(crate) async fn made_if_full(cast: &Cast) -> Result<()> {
    let mut client = cast.etcd.any().await?;
    let listed = client.alarm(AlarmAction::Get, AlarmType::Nospace, None).await?;
    if listed.alarms().is_empty() { Ok(()) } else { made(cast).await }
}

/// Compacts, defragments and disarms; may be repeated.
async fn make(cast: &Cast) -> Result<()> {
    let mut client = cast.etcd.any().await?;
    let deleted = client.delete(FILLING, None).await?;
    let revision = deleted.header().context("no header")?.revision();
    cast.recorder.reached(revision).await?;
    match client.compact(revision, Some(CompactionOptions::new().with_physical())).await {
        Err(error) if !error.to_string().contains("compacted") => return Err(error.into()),
        _ => {}
    }
    for member in 0..MEMBERS {
        let mut member = cast.etcd.member(member).await?;
        let applied = member.status().await?.header().context("no header")?.revision();
        ensure!(applied >= revision, "a member is behind");
        member.defragment().await?;
    }
    for alarm in client.alarm(AlarmAction::Get, AlarmType::Nospace, None).await?.alarms() {
        let mut options = AlarmOptions::new();
        options.with_member(alarm.member_id());
        client.alarm(AlarmAction::Deactivate, AlarmType::Nospace, Some(options)).await?;
    }
    client.put("chaos", "", None).await?;
    Ok(())
}
