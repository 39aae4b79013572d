//! Version, settings, users, health.

use actix_web::HttpResponse;
use serde_json::json;

use super::{Answer, Call, Refusal, call, json as answer};

pub(super) async fn version(call: Call) -> Answer {
    answer(200, &json!({ "version": call.site.version }))
}

pub(super) async fn api_settings(_: Call) -> Answer {
    let settings = json!({
        "max_response_items": call::MAX_PAGE, "default_paging_num": call::DEFAULT_PAGE,
        "default_git_trees_per_page": 1000, "default_max_blob_size": 10_485_760,
        "default_max_response_size": 104_857_600,
    });
    answer(200, &settings)
}

pub(super) async fn healthz() -> HttpResponse {
    HttpResponse::Ok().json(json!({ "status": "pass", "description": "simulated Gitea", "checks": {} }))
}

pub(super) async fn me(call: Call) -> Answer {
    let user = call.user()?;
    answer(200, &call.site.forge().user_json(user, Some(user)))
}

pub(super) async fn user(call: Call) -> Answer {
    let forge = call.site.forge();
    let login = call.part("user");
    let known = forge
        .user_named(login)
        .ok_or_else(|| Refusal::new(404, format!("user redirect does not exist [name: {login}]")))?;
    answer(200, &forge.user_json(known.id, call.caller))
}

/// What no route takes.
pub(super) async fn nowhere() -> HttpResponse {
    HttpResponse::NotFound().content_type("text/plain; charset=utf-8").body("404 page not found\n")
}
