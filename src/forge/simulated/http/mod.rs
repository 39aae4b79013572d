//! The HTTP side of the simulated forge: routes, and the gate every request passes.
//!
//! A handler takes a [`Call`] (who asks, for what) and gives an [`Answer`]. One file for each subject.

mod branches;
mod call;
mod comments;
mod dependencies;
mod gate;
mod git_smart;
mod hooks;
mod issues;
mod labels;
mod merge;
mod pulls;
mod repositories;
mod statuses;
mod users;

use call::{Answer, Call, Refusal, json};
pub(super) use gate::gate;

use actix_web::web::{self, ServiceConfig, delete, get, patch, post, put, resource};

/// Largest body it takes: a push is one body.
pub(super) const MAX_BODY: usize = 256 << 20;

pub(super) fn routes(app: &mut ServiceConfig) {
    let api = web::scope("/api/v1")
        .configure(site_routes)
        .configure(repository_routes)
        .configure(issue_routes)
        .configure(code_routes)
        .default_service(web::to(users::nowhere));
    app.route("/api/healthz", get().to(users::healthz));
    app.service(api);
    app.service(
        resource("/{owner}/{repo}/{service:info/refs|git-upload-pack|git-receive-pack}").to(git_smart::serve),
    );
    app.default_service(web::to(users::nowhere));
}

fn site_routes(app: &mut ServiceConfig) {
    app.route("/version", get().to(users::version))
        .route("/settings/api", get().to(users::api_settings))
        .route("/user", get().to(users::me))
        .route("/users/{user}", get().to(users::user))
        .service(
            resource("/user/repos")
                .route(get().to(repositories::mine))
                .route(post().to(repositories::create)),
        )
        .route("/admin/users/{user}/repos", post().to(repositories::create_for))
        .service(
            resource("/admin/hooks")
                .route(get().to(hooks::list_system))
                .route(post().to(hooks::create_system)),
        )
        .service(
            resource("/admin/hooks/{id}")
                .route(get().to(hooks::get_system))
                .route(delete().to(hooks::delete_system)),
        )
        .route("/repos/search", get().to(repositories::search))
        .route("/repos/issues/search", get().to(issues::search));
}

fn repository_routes(app: &mut ServiceConfig) {
    app.service(
        resource("/repos/{owner}/{repo}")
            .route(get().to(repositories::get))
            .route(patch().to(repositories::edit))
            .route(delete().to(repositories::delete)),
    )
    .route("/repos/{owner}/{repo}/assignees", get().to(repositories::assignees))
    .route("/repos/{owner}/{repo}/collaborators", get().to(repositories::collaborators))
    .service(
        resource("/repos/{owner}/{repo}/collaborators/{user}")
            .route(get().to(repositories::is_collaborator))
            .route(put().to(repositories::add_collaborator))
            .route(delete().to(repositories::remove_collaborator)),
    )
    .route("/repos/{owner}/{repo}/collaborators/{user}/permission", get().to(repositories::permission))
    .service(
        resource("/repos/{owner}/{repo}/hooks").route(get().to(hooks::list)).route(post().to(hooks::create)),
    )
    .service(
        resource("/repos/{owner}/{repo}/hooks/{id}")
            .route(get().to(hooks::get))
            .route(patch().to(hooks::edit))
            .route(delete().to(hooks::delete)),
    )
    .route("/repos/{owner}/{repo}/hooks/{id}/tests", post().to(hooks::test))
    .service(
        resource("/repos/{owner}/{repo}/labels")
            .route(get().to(labels::list))
            .route(post().to(labels::create)),
    )
    .service(
        resource("/repos/{owner}/{repo}/labels/{id}")
            .route(get().to(labels::get))
            .route(delete().to(labels::delete)),
    );
}

fn issue_routes(app: &mut ServiceConfig) {
    app.service(
        resource("/repos/{owner}/{repo}/issues")
            .route(get().to(issues::list))
            .route(post().to(issues::create)),
    )
    .route("/repos/{owner}/{repo}/issues/comments", get().to(comments::of_repository))
    .service(
        resource("/repos/{owner}/{repo}/issues/comments/{id}")
            .route(get().to(comments::get))
            .route(patch().to(comments::edit))
            .route(delete().to(comments::delete)),
    )
    .service(
        resource("/repos/{owner}/{repo}/issues/{index}")
            .route(get().to(issues::get))
            .route(patch().to(issues::edit))
            .route(delete().to(issues::delete)),
    )
    .service(
        resource("/repos/{owner}/{repo}/issues/{index}/comments")
            .route(get().to(comments::list))
            .route(post().to(comments::create)),
    )
    .route("/repos/{owner}/{repo}/issues/{index}/timeline", get().to(comments::timeline))
    .service(
        resource("/repos/{owner}/{repo}/issues/{index}/labels")
            .route(get().to(labels::of_issue))
            .route(post().to(labels::add))
            .route(put().to(labels::replace))
            .route(delete().to(labels::clear)),
    )
    .route("/repos/{owner}/{repo}/issues/{index}/labels/{id}", delete().to(labels::remove))
    .service(
        resource("/repos/{owner}/{repo}/issues/{index}/dependencies")
            .route(get().to(dependencies::list))
            .route(post().to(dependencies::add))
            .route(delete().to(dependencies::remove)),
    )
    .service(
        resource("/repos/{owner}/{repo}/issues/{index}/blocks")
            .route(get().to(dependencies::list_blocks))
            .route(post().to(dependencies::add_block))
            .route(delete().to(dependencies::remove_block)),
    );
}

fn code_routes(app: &mut ServiceConfig) {
    app.service(
        resource("/repos/{owner}/{repo}/branches")
            .route(get().to(branches::list))
            .route(post().to(branches::create)),
    )
    .service(
        resource("/repos/{owner}/{repo}/branches/{branch:.+}")
            .route(get().to(branches::get))
            .route(delete().to(branches::delete)),
    )
    .service(
        resource("/repos/{owner}/{repo}/pulls").route(get().to(pulls::list)).route(post().to(pulls::create)),
    )
    .service(
        resource("/repos/{owner}/{repo}/pulls/{index:\\d+}")
            .route(get().to(pulls::get))
            .route(patch().to(pulls::edit)),
    )
    .service(
        resource("/repos/{owner}/{repo}/pulls/{index:\\d+}/merge")
            .route(get().to(merge::is_merged))
            .route(post().to(merge::merge)),
    )
    .route("/repos/{owner}/{repo}/pulls/{base}/{head:.+}", get().to(pulls::by_branches))
    .service(
        resource("/repos/{owner}/{repo}/statuses/{sha}")
            .route(get().to(statuses::list))
            .route(post().to(statuses::create)),
    )
    .route("/repos/{owner}/{repo}/commits/{sha:.+}/statuses", get().to(statuses::of_ref))
    .route("/repos/{owner}/{repo}/commits/{sha:.+}/status", get().to(statuses::combined));
}
