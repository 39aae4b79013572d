//! What operators read: actors, tasks, the report, the metrics.
//!
//! Promises to read what others keep for reading, and to ask no actor.

use actix_web::{
    HttpRequest, HttpResponse,
    http::StatusCode,
    web::{self, Data},
};
use percent_encoding::percent_decode_str;
use serde::Serialize;

use super::{
    HttpState,
    answer::{Problem, json},
};
use crate::{
    domain::{id::IssueRef, view::TaskView},
    runtime::ActorView,
};

#[derive(Serialize)]
struct Actors {
    actors: Vec<ActorView>,
}

#[derive(Serialize)]
struct Tasks {
    tasks: Vec<TaskView>,
}

/// `GET /actors`.
pub(super) async fn actors(state: Data<HttpState>) -> HttpResponse {
    json(StatusCode::OK, &Actors { actors: state.census.snapshot() })
}

/// `GET /actors/{id}`, the id percent-encoded or with its slashes as they are.
pub(super) async fn actor(request: HttpRequest, state: Data<HttpState>) -> Result<HttpResponse, Problem> {
    let id = parameter(&request, "id");
    match state.census.get(&id) {
        Some(actor) => Ok(json(StatusCode::OK, &actor)),
        None => Err(Problem::not_found(format!("there is no actor `{id}`"), "GET /actors lists all")),
    }
}

/// `GET /api/v1/tasks`.
pub(super) async fn tasks(state: Data<HttpState>) -> Result<HttpResponse, Problem> {
    // Many tasks make a long document, and this thread takes webhooks too.
    let made = web::block(move || serde_json::to_vec(&Tasks { tasks: state.board.tasks() })).await;
    let body = made.map_err(|_| Problem::internal())?.expect("documents are plain data with text keys");
    Ok(HttpResponse::Ok().content_type("application/json").body(body))
}

/// `GET /api/v1/tasks/{owner}/{repo}/{number}`.
pub(super) async fn task(request: HttpRequest, state: Data<HttpState>) -> Result<HttpResponse, Problem> {
    let [owner, repo, number] = ["owner", "repo", "number"].map(|name| parameter(&request, name));
    let named = format!("{owner}/{repo}#{number}");
    match named.parse::<IssueRef>().ok().and_then(|issue| state.board.task(&issue)) {
        Some(task) => Ok(json(StatusCode::OK, &task)),
        None => {
            let remedy = "GET /api/v1/tasks lists all; an issue has one once it is assigned to the bot";
            Err(Problem::not_found(format!("there is no task for `{named}`"), remedy))
        }
    }
}

/// `GET /api/v1/report`.
pub(super) async fn report(state: Data<HttpState>) -> HttpResponse {
    json(StatusCode::OK, &state.board.report())
}

/// `GET /metrics`.
pub(super) async fn metrics(state: Data<HttpState>) -> HttpResponse {
    HttpResponse::Ok().content_type("text/plain; version=0.0.4").body((state.metrics)())
}

/// A part of the path; the router leaves `%`, `/` and `+` encoded, and decodes nothing that becomes one of them.
fn parameter(request: &HttpRequest, name: &str) -> String {
    percent_decode_str(request.match_info().query(name)).decode_utf8_lossy().into_owned()
}
