//! What operators see and take along.

use tdferry_proto::v1::{self, TaskView};
use tokio_stream::StreamExt;

use crate::world::{BOUND, Fake, World, create, get, until_state};

#[tokio::test(start_paused = true)]
async fn a_watcher_sees_each_state_once_and_the_end_last() {
    let (_world, coordinator, mut admin) = World::alone().await;
    create(&mut admin, "t", &[]).await;
    let mut worker = Fake::register(&coordinator, 1).await;
    let watched = admin.watch_task(v1::WatchTaskRequest { name: "t".into() }).await.unwrap().into_inner();
    let seen = tokio::spawn(async move {
        let views: Vec<TaskView> = watched.map(|view| view.unwrap().task.unwrap()).collect().await;
        views
    });
    loop {
        for lease in worker.claim(1).await.leases {
            worker.finish(&lease).await;
        }
        tokio::time::sleep(std::time::Duration::from_secs(2)).await;
        worker.beat(&[]).await;
        if seen.is_finished() {
            break;
        }
    }
    let views = tokio::time::timeout(BOUND, seen).await.unwrap().unwrap();
    let mut states: Vec<_> = views.iter().map(|view| view.state.as_str()).collect();
    states.dedup();
    assert_eq!(states, ["surveying", "creating", "copying", "completed"]);
    assert!(views[..views.len() - 1].iter().all(|view| !view.terminal));
    assert!(views.windows(2).all(|pair| pair[0] != pair[1]));
}

#[tokio::test(start_paused = true)]
async fn a_task_goes_over_to_another_by_export_and_by_copy() {
    let (_world, _coordinator, mut admin) = World::alone().await;
    create(&mut admin, "t", &[("schema", "only")]).await;
    let spec = admin.export_task(v1::ExportTaskRequest { name: "t".into() }).await.unwrap().into_inner().spec;
    assert!(spec.contains("${env:P}"), "{spec}");
    let request = v1::CopyTaskRequest { name: "t".into(), new_name: "u".into() };
    let copy = admin.copy_task(request).await.unwrap().into_inner().task.unwrap();
    assert_eq!((copy.name.as_str(), copy.r#type.as_str()), ("u", "TDengine2"));
    admin.delete_task(v1::DeleteTaskRequest { name: "t".into() }).await.unwrap();
    let request = v1::CreateTaskRequest { spec: spec.clone(), allow_memory_secrets: false };
    admin.create_task(request).await.unwrap();
    let again =
        admin.export_task(v1::ExportTaskRequest { name: "t".into() }).await.unwrap().into_inner().spec;
    assert_eq!(again, spec);
    let tasks = admin.list_tasks(v1::ListTasksRequest {}).await.unwrap().into_inner().tasks;
    let shown: Vec<_> = tasks.iter().map(|task| (task.name.as_str(), task.to.as_str())).collect();
    assert_eq!(shown.iter().map(|(name, _)| *name).collect::<Vec<_>>(), ["t", "u"]);
    assert!(shown.iter().all(|(_, to)| to.contains("new:6041/power")), "{shown:?}");
    assert_eq!(tasks[0].created_unix_millis / 1_000_000_000, 1_700);
}

#[tokio::test(start_paused = true)]
async fn shards_are_listed_in_pages_and_by_state() {
    let (_world, coordinator, mut admin) = World::alone().await;
    create(&mut admin, "t", &[]).await;
    let mut worker = Fake::register(&coordinator, 1).await;
    for _ in 0..2 {
        let lease = worker.claim_one().await;
        worker.finish(&lease).await;
    }
    let leased = worker.claim_one().await;
    let all = get(&mut admin, "t").await.progress.unwrap().shards;
    let (mut listed, mut token) = (Vec::new(), String::new());
    loop {
        let request =
            v1::ListShardsRequest { task: "t".into(), page_size: 3, page_token: token, ..Default::default() };
        let page = admin.list_shards(request).await.unwrap().into_inner();
        assert!(page.shards.len() <= 3);
        listed.extend(page.shards);
        token = page.next_page_token;
        if token.is_empty() {
            break;
        }
    }
    assert_eq!(listed.len() as u64, all);
    let held: Vec<_> = listed.iter().filter(|shard| shard.worker.is_some()).collect();
    assert_eq!((held.len(), held[0].worker, held[0].epoch), (1, Some(1), Some(leased.key.unwrap().epoch)));
    assert!(listed.iter().any(|shard| shard.stable == "sensors"));

    let request =
        v1::ListShardsRequest { task: "t".into(), state: v1::ShardState::Done.into(), ..Default::default() };
    let done = admin.list_shards(request).await.unwrap().into_inner().shards;
    assert_eq!(
        done.iter().map(|shard| shard.shard.as_ref().unwrap().id.as_str()).collect::<Vec<_>>(),
        ["schema"]
    );
}

#[tokio::test(start_paused = true)]
async fn the_tables_of_a_shard_are_those_of_its_range() {
    let (_world, coordinator, mut admin) = World::alone().await;
    create(&mut admin, "t", &[]).await;
    let mut worker = Fake::register(&coordinator, 1).await;
    for _ in 0..2 {
        let lease = worker.claim_one().await;
        worker.finish(&lease).await;
    }
    let lease = worker.claim_one().await;
    let shard = lease.shard.unwrap();
    let range = shard.range.unwrap();
    let ask = |shard: &str| v1::ListTablesRequest { task: "t".into(), shard: shard.into() };
    let tables = admin.list_tables(ask(&shard.id)).await.unwrap().into_inner();
    assert_eq!(tables.stable, lease.stable);
    let held = &lease.names[range.from as usize..range.to as usize];
    assert!(!held.is_empty() && tables.names == held, "{tables:?}");
    let schema = admin.list_tables(ask("schema")).await.unwrap().into_inner();
    assert_eq!(schema, v1::ListTablesResponse::default());
    let unknown = admin.list_tables(ask("copy-99999999-9999")).await.unwrap_err();
    assert!(unknown.code() == tonic::Code::NotFound && unknown.message().contains("copy-99999999-9999"));
    let none = admin.list_tables(ask("")).await.unwrap_err();
    assert_eq!(none.code(), tonic::Code::InvalidArgument);
}

#[tokio::test(start_paused = true)]
async fn a_task_without_workers_says_what_to_do() {
    let (_world, coordinator, mut admin) = World::alone().await;
    create(&mut admin, "t", &[]).await;
    let alone = get(&mut admin, "t").await;
    assert!(alone.state == "no workers" && alone.reason.contains("tdferry worker"), "{alone:?}");
    Fake::register(&coordinator, 1).await;
    until_state(&admin, "t", "surveying").await;
}

#[tokio::test(start_paused = true)]
async fn health_is_told_to_whoever_asks() {
    let (_world, coordinator, _admin) = World::alone().await;
    let mut health = tonic_health::pb::health_client::HealthClient::new(coordinator.channel().await);
    for service in ["tdferry.v1.WorkerService", "tdferry.v1.AdminService"] {
        let request = tonic_health::pb::HealthCheckRequest { service: service.into() };
        let status = health.check(request).await.unwrap().into_inner().status();
        assert_eq!(status, tonic_health::pb::health_check_response::ServingStatus::Serving);
    }
}

#[tokio::test(start_paused = true)]
async fn a_server_that_is_asked_to_stop_does_not_wait_for_its_watchers() {
    let (_world, coordinator, mut admin) = World::alone().await;
    create(&mut admin, "t", &[]).await;
    let (client, server) = tokio::io::duplex(64 * 1024);
    let (stop, asked) = tokio::sync::oneshot::channel::<()>();
    let serving = tokio::spawn(async move {
        let incoming = tokio_stream::iter([Ok::<_, std::io::Error>(server)]).chain(tokio_stream::pending());
        coordinator.serve(incoming, async { asked.await.unwrap() }).await
    });
    let mut client = Some(hyper_util::rt::TokioIo::new(client));
    let connect = tower::service_fn(move |_| {
        std::future::ready(client.take().ok_or_else(|| std::io::Error::from(std::io::ErrorKind::NotFound)))
    });
    let channel = tonic::transport::Endpoint::from_static("http://pipe").connect_with_connector_lazy(connect);
    let mut watcher = crate::world::Admin::new(channel);
    let mut watched =
        watcher.watch_task(v1::WatchTaskRequest { name: "t".into() }).await.unwrap().into_inner();
    assert!(watched.next().await.unwrap().is_ok());
    stop.send(()).unwrap();
    tokio::time::timeout(BOUND, serving).await.unwrap().unwrap().unwrap();
}
