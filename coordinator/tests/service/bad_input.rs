//! What cannot be done is refused with a code that scripts can use, and nothing is stored.

use tdferry_proto::v1;
use tonic::Code;

use crate::world::{Fake, World, create, spec};

#[tokio::test(start_paused = true)]
async fn a_spec_that_cannot_be_carried_out_is_refused_by_its_field() {
    let (_world, _coordinator, mut admin) = World::alone().await;
    let good = spec("t", &[]);
    for (json, field) in [
        ("{".to_owned(), "cannot be read"),
        (good.replace("old:6041/power", "old:6041"), "from"),
        (good.replace("${env:P}@old", "secret@old"), "must not hold"),
        (good.replace("${env:P}@old", "${memory:P}@old"), "from"),
        (good.replace("\"t\"", "\"a/b\""), "name"),
    ] {
        let request = v1::CreateTaskRequest { spec: json.clone(), allow_memory_secrets: false };
        let refused = admin.create_task(request).await.unwrap_err();
        assert_eq!(refused.code(), Code::InvalidArgument, "{json}");
        assert!(refused.message().contains(field), "{field}: {}", refused.message());
        assert!(!refused.message().contains("secret@"), "{}", refused.message());
    }
    let tasks = admin.list_tasks(v1::ListTasksRequest {}).await.unwrap().into_inner().tasks;
    assert_eq!(tasks, []);
}

#[tokio::test(start_paused = true)]
async fn only_the_process_that_resolves_them_may_store_secrets_in_memory() {
    let (_world, _coordinator, mut admin) = World::alone().await;
    let json = spec("t", &[]).replace("${env:P}@old", "${memory:P}@old");
    let request = v1::CreateTaskRequest { spec: json, allow_memory_secrets: true };
    assert!(admin.create_task(request).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn names_that_are_taken_or_unknown_are_told_apart() {
    let (_world, _coordinator, mut admin) = World::alone().await;
    create(&mut admin, "t", &[]).await;
    let request = v1::CreateTaskRequest { spec: spec("t", &[]), allow_memory_secrets: false };
    assert_eq!(admin.create_task(request).await.unwrap_err().code(), Code::AlreadyExists);
    let name = || "u".to_owned();
    let codes = [
        admin.get_task(v1::GetTaskRequest { name: name() }).await.unwrap_err().code(),
        admin.delete_task(v1::DeleteTaskRequest { name: name() }).await.unwrap_err().code(),
        admin.export_task(v1::ExportTaskRequest { name: name() }).await.unwrap_err().code(),
        admin.watch_task(v1::WatchTaskRequest { name: name() }).await.unwrap_err().code(),
        admin
            .list_shards(v1::ListShardsRequest { task: name(), ..Default::default() })
            .await
            .unwrap_err()
            .code(),
        admin.set_control(v1::SetControlRequest { name: name(), control: 1 }).await.unwrap_err().code(),
        admin
            .retry_shard(v1::RetryShardRequest { task: name(), shard: String::new() })
            .await
            .unwrap_err()
            .code(),
        admin.copy_task(v1::CopyTaskRequest { name: name(), new_name: "v".into() }).await.unwrap_err().code(),
    ];
    assert_eq!(codes, [Code::NotFound; 8]);
}

#[tokio::test(start_paused = true)]
async fn messages_without_what_they_need_are_refused_by_the_field() {
    let (_world, coordinator, mut admin) = World::alone().await;
    let mut worker = Fake::register(&coordinator, 1).await;
    let client = &mut worker.client;
    let no_slots = v1::RegisterRequest { worker: 3, ..Default::default() };
    let survey = |part| client.clone().survey_once(part);
    let refused = [
        (client.clone().register(no_slots).await.unwrap_err(), "slots"),
        (client.clone().commit(v1::CommitRequest::default()).await.unwrap_err(), "checkpoint"),
        (client.clone().release(v1::ReleaseRequest::default()).await.unwrap_err(), "key"),
        (survey(None).await.unwrap_err(), "part"),
        (admin.get_task(v1::GetTaskRequest { name: "a b".into() }).await.unwrap_err(), "name"),
        (
            admin.set_control(v1::SetControlRequest { name: "t".into(), control: 0 }).await.unwrap_err(),
            "control",
        ),
    ];
    for (status, field) in refused {
        assert_eq!(status.code(), Code::InvalidArgument, "{status:?}");
        assert!(status.message().contains(field), "{field}: {}", status.message());
    }
}

/// A survey of one message.
trait SurveyOnce {
    async fn survey_once(
        self,
        part: Option<v1::survey_request::Part>,
    ) -> Result<v1::SurveyResponse, tonic::Status>;
}

impl SurveyOnce for v1::worker_service_client::WorkerServiceClient<tonic::transport::Channel> {
    async fn survey_once(
        mut self,
        part: Option<v1::survey_request::Part>,
    ) -> Result<v1::SurveyResponse, tonic::Status> {
        Ok(self.survey(tokio_stream::once(v1::SurveyRequest { part })).await?.into_inner())
    }
}
