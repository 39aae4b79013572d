//! Git over HTTP: clone, fetch and push, through `git http-backend`.

use actix_web::{
    HttpResponse,
    http::{StatusCode, header::WWW_AUTHENTICATE},
};

use super::{Answer, Call, Refusal};
use crate::forge::simulated::{git::Cgi, state::Access};

fn plain(status: StatusCode, text: &'static str) -> HttpResponse {
    HttpResponse::build(status).content_type("text/plain; charset=utf-8").body(text)
}

pub(super) async fn serve(call: Call) -> Answer {
    let service = call.part("service").to_owned();
    let pushes = service == "git-receive-pack" || call.asked("service") == Some("git-receive-pack");
    let name = call.part("repo").trim_end_matches(".git").to_owned();
    let (repo, user, writing, login) = {
        let forge = call.site.forge();
        let found = forge.repository_named(call.part("owner"), &name);
        if let (None, Some(now)) = (found, forge.name_now(call.part("owner"), &name)) {
            return Err(Refusal::moved(call.path_with(call.part("owner"), call.part("repo"), now), true));
        }
        let access = found.map_or(Access::None, |repo| forge.access(repo, call.caller));
        let Some(user) = call.caller.or_else(|| (!pushes && access >= Access::Read).then_some(0)) else {
            let mut asks = plain(StatusCode::UNAUTHORIZED, "Unauthorized\n");
            asks.headers_mut().insert(
                WWW_AUTHENTICATE,
                actix_web::http::header::HeaderValue::from_static("Basic realm=\"Gitea\""),
            );
            return Ok(asks);
        };
        let Some(repo) = found.filter(|_| access >= Access::Read) else {
            return Ok(plain(StatusCode::NOT_FOUND, "Repository not found\n"));
        };
        if pushes && access < Access::Write {
            return Ok(plain(StatusCode::FORBIDDEN, "User permission denied\n"));
        }
        if pushes && repo.archived {
            let text = "This repo is archived. You can view files and clone it, but cannot push or open \
                        issues/pull-requests.";
            return Ok(plain(StatusCode::FORBIDDEN, text));
        }
        (repo.id, user, repo.writing.clone(), forge.login(user).to_owned())
    };
    let header = |name: &str| {
        let value = call.request.headers().get(name).and_then(|value| value.to_str().ok());
        value.unwrap_or_default().to_owned()
    };
    let path = call.site.path(repo);
    let owner = call.part("owner").to_ascii_lowercase();
    let request = Cgi {
        method: call.request.method().to_string(),
        path: format!("/{owner}/{}.git/{service}", name.to_ascii_lowercase()),
        query: call.request.query_string().to_owned(),
        content_type: header("content-type"),
        content_encoding: header("content-encoding"),
        protocol: header("git-protocol"),
        user: (user > 0).then_some(login),
        body: call.body.clone(),
    };
    if service != "git-receive-pack" {
        return cgi_answer(call.site.git.serve(request).await?);
    }
    let _writing = writing.lock().await;
    let before = call.site.git.refs(&path).await?;
    let answer = cgi_answer(call.site.git.serve(request).await?)?;
    let after = call.site.git.refs(&path).await?;
    call.site.refs_moved(repo, user, &before, &after).await?;
    Ok(answer)
}

/// Reads a CGI answer: headers, an empty line, the body.
fn cgi_answer(output: Vec<u8>) -> Answer {
    let broken = || Refusal::new(500, "git http-backend gave no answer");
    let end = output.windows(4).position(|four| four == b"\r\n\r\n").ok_or_else(broken)?;
    let head = String::from_utf8_lossy(&output[..end]).into_owned();
    let mut answer = HttpResponse::build(StatusCode::OK);
    for line in head.lines() {
        match line.split_once(": ") {
            Some(("Status", status)) => {
                let code = status.split(' ').next().and_then(|code| code.parse().ok());
                answer.status(code.and_then(|code| StatusCode::from_u16(code).ok()).ok_or_else(broken)?);
            }
            Some((name, value)) => {
                answer.insert_header((name, value));
            }
            None => {}
        }
    }
    let mut output = output;
    Ok(answer.body(output.split_off(end + 4)))
}
