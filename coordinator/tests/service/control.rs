//! Pause, resume, stop, delete.

use tdferry_proto::v1::{self, Control, Directive, Verdict};
use tonic::Code;

use crate::world::{Fake, World, control, create, done, get, until_state};

#[tokio::test(start_paused = true)]
async fn a_task_that_is_paused_or_stopped_drains_and_goes_on_when_it_is_resumed() {
    for (asked, draining, drained) in
        [(Control::Pause, "pausing", "paused"), (Control::Stop, "stopping", "stopped")]
    {
        let (_world, coordinator, mut admin) = World::alone().await;
        create(&mut admin, "t", &[]).await;
        let mut worker = Fake::register(&coordinator, 1).await;
        let lease = worker.claim_one().await;
        assert_eq!(worker.directive(&lease).await, Directive::Continue);
        assert_eq!(control(&mut admin, "t", asked).await.state, draining);
        assert_eq!(worker.directive(&lease).await, Directive::Drain);
        worker.release(&lease).await;
        assert_eq!(get(&mut admin, "t").await.state, drained);
        assert!(worker.claim(4).await.leases.is_empty());
        assert_eq!(control(&mut admin, "t", Control::Run).await.state, "surveying");
        worker.work_until(&admin, "t", "completed").await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_drain_may_still_commit() {
    let (_world, coordinator, mut admin) = World::alone().await;
    create(&mut admin, "t", &[("schema", "none")]).await;
    let mut worker = Fake::register(&coordinator, 1).await;
    for _ in 0..2 {
        let lease = worker.claim_one().await;
        worker.finish(&lease).await;
    }
    let lease = worker.claim_one().await;
    control(&mut admin, "t", Control::Pause).await;
    assert_eq!(worker.commit(done(&lease)).await, Verdict::Committed);
    assert_eq!(until_state(&admin, "t", "paused").await.progress.unwrap().shards_leased, 0);
}

#[tokio::test(start_paused = true)]
async fn a_deleted_task_fences_its_leases_and_gives_its_name_free() {
    let (_world, coordinator, mut admin) = World::alone().await;
    create(&mut admin, "t", &[]).await;
    let mut worker = Fake::register(&coordinator, 1).await;
    for _ in 0..2 {
        let lease = worker.claim_one().await;
        worker.finish(&lease).await;
    }
    let lease = worker.claim_one().await;
    admin.delete_task(v1::DeleteTaskRequest { name: "t".into() }).await.unwrap();
    assert_eq!(worker.commit(done(&lease)).await, Verdict::Fenced);
    assert_eq!(worker.directive(&lease).await, Directive::Abandon);
    let gone = admin.get_task(v1::GetTaskRequest { name: "t".into() }).await.unwrap_err();
    assert_eq!(gone.code(), Code::NotFound);
    create(&mut admin, "t", &[]).await;
    assert_eq!(worker.commit(done(&lease)).await, Verdict::Fenced, "of a task of the same name before");
    worker.work_until(&admin, "t", "completed").await;
}

#[tokio::test(start_paused = true)]
async fn what_has_ended_cannot_be_paused() {
    let (_world, coordinator, mut admin) = World::alone().await;
    create(&mut admin, "t", &[]).await;
    let mut worker = Fake::register(&coordinator, 1).await;
    worker.work_until(&admin, "t", "completed").await;
    let request = v1::SetControlRequest { name: "t".into(), control: Control::Pause.into() };
    let refused = admin.set_control(request).await.unwrap_err();
    assert_eq!(refused.code(), Code::FailedPrecondition);
    assert!(refused.message().contains("completed"), "{}", refused.message());
}
