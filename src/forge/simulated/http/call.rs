//! One request as a handler sees it, and the shapes of refusals.
//!
//! Gitea refuses in several shapes (`{"message","url"}`, with `errors` for 404, a bare string, nothing at
//! all); clients have to live with all of them, so they are told apart here.

use std::{fmt, future::Future, pin::Pin};

use actix_web::{
    FromRequest, HttpMessage, HttpRequest, HttpResponse, ResponseError,
    dev::Payload,
    http::{Method, StatusCode, header::LOCATION},
    web,
};
use bytes::Bytes;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::forge::simulated::{
    git::GitError,
    site::Site,
    state::{Access, Forge, Issue},
};

/// Gitea's `DEFAULT_PAGING_NUM`.
pub(super) const DEFAULT_PAGE: usize = 30;
/// Gitea's `MAX_RESPONSE_ITEMS`.
pub(super) const MAX_PAGE: usize = 50;

pub(in crate::forge::simulated) type Answer = Result<HttpResponse, Refusal>;

/// The user behind a request's token; the gate puts it there.
#[derive(Clone, Copy, Debug)]
pub(super) struct Caller(pub(super) Option<u64>);

/// Why a request is not done, in one of Gitea's shapes.
#[derive(Debug)]
pub(in crate::forge::simulated) struct Refusal {
    status: u16,
    shape: Shape,
}

#[derive(Debug)]
enum Shape {
    Message(String),
    NotFound(&'static str, Option<String>),
    Bare(&'static str),
    Whole(Value),
    /// Where to, and the words that go with it.
    Moved(String, &'static str),
    Empty,
}

impl Refusal {
    pub(super) fn new(status: u16, message: impl Into<String>) -> Self {
        Self { status, shape: Shape::Message(message.into()) }
    }
    pub(super) fn not_found() -> Self {
        Self::missing("not found", None)
    }
    pub(super) fn missing(message: &'static str, error: Option<String>) -> Self {
        Self { status: 404, shape: Shape::NotFound(message, error) }
    }
    pub(super) fn empty(status: u16) -> Self {
        Self { status, shape: Shape::Empty }
    }
    pub(super) fn bare(status: u16, text: &'static str) -> Self {
        Self { status, shape: Shape::Bare(text) }
    }
    pub(super) fn whole(status: u16, body: Value) -> Self {
        Self { status, shape: Shape::Whole(body) }
    }
    /// The same thing elsewhere, by a path.
    pub(super) fn moved(location: String, reads: bool) -> Self {
        // Go writes a line for a person, but not to one who posts.
        let words = if reads { "<a>Moved Permanently</a>.\n\n" } else { "" };
        Self { status: 301, shape: Shape::Moved(location, words) }
    }
    pub(super) fn invalid(message: impl Into<String>) -> Self {
        Self::new(422, message)
    }
    pub(super) fn sign_in() -> Self {
        Self::new(401, "token is required")
    }
    /// The refusal as an answer.
    pub(super) fn answer(&self) -> HttpResponse {
        self.error_response()
    }
    pub(super) fn archived() -> Self {
        Self::new(423, "repo is archived")
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {:?}", self.status, self.shape)
    }
}

impl ResponseError for Refusal {
    fn status_code(&self) -> StatusCode {
        StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }
    fn error_response(&self) -> HttpResponse {
        let url = "/api/swagger";
        let mut answer = HttpResponse::build(self.status_code());
        match &self.shape {
            Shape::Message(message) => answer.json(json!({ "message": message, "url": url })),
            Shape::NotFound(message, error) => {
                let errors = error.as_ref().map(|error| vec![error]);
                answer.json(json!({ "message": message, "url": url, "errors": errors }))
            }
            Shape::Bare(text) => answer.json(text),
            Shape::Whole(body) => answer.json(body),
            Shape::Moved(location, words) => answer.insert_header((LOCATION, location.as_str())).body(*words),
            Shape::Empty => answer.finish(),
        }
    }
}

impl From<GitError> for Refusal {
    fn from(error: GitError) -> Self {
        tracing::warn!(%error, "git refused the simulated forge");
        Self::new(500, "")
    }
}

/// A repository the caller may read, with what they may do in it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    pub(super) repo: u64,
    pub(super) access: Access,
}

/// One request.
pub(in crate::forge::simulated) struct Call {
    pub(super) site: web::Data<Site>,
    pub(super) caller: Option<u64>,
    pub(super) body: Bytes,
    pub(super) request: HttpRequest,
    query: Vec<(String, String)>,
}

impl FromRequest for Call {
    type Error = actix_web::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self, actix_web::Error>>>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let request = request.clone();
        let body = Bytes::from_request(&request, payload);
        Box::pin(async move {
            let body = body.await?;
            let site = web::Data::<Site>::extract(&request).await?;
            let caller = request.extensions().get::<Caller>().and_then(|caller| caller.0);
            let query = form_urlencoded::parse(request.query_string().as_bytes()).into_owned().collect();
            Ok(Self { site, caller, body, request, query })
        })
    }
}

impl Call {
    /// A part of the path.
    pub(super) fn part(&self, name: &str) -> &str {
        self.request.match_info().get(name).unwrap_or_default()
    }

    /// A part of the path that is a number; what is none is 0, which nothing is called.
    pub(super) fn number(&self, name: &str) -> u64 {
        self.part(name).parse().unwrap_or(0)
    }

    /// A parameter of the query; an empty one is none.
    pub(super) fn asked(&self, name: &str) -> Option<&str> {
        self.query
            .iter()
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.as_str())
            .filter(|v| !v.is_empty())
    }

    pub(super) fn asked_true(&self, name: &str) -> bool {
        matches!(self.asked(name), Some("true" | "1" | "on"))
    }

    /// An instant in the query, in seconds since the epoch.
    pub(super) fn asked_instant(&self, name: &str) -> Result<Option<i64>, Refusal> {
        let Some(text) = self.asked(name) else { return Ok(None) };
        let instant: jiff::Timestamp =
            text.parse().map_err(|error| Refusal::invalid(format!("parsing time {text:?}: {error}")))?;
        Ok(Some(instant.as_second()))
    }

    /// The body as JSON; an empty one stands for `{}`.
    pub(super) fn json<T: DeserializeOwned>(&self) -> Result<T, Refusal> {
        let body = if self.body.is_empty() { &b"{}"[..] } else { &self.body[..] };
        serde_json::from_slice(body).map_err(|error| Refusal::invalid(format!("[]: json: {error}")))
    }

    /// Who asks; 401 for nobody.
    pub(super) fn user(&self) -> Result<u64, Refusal> {
        self.caller.ok_or_else(Refusal::sign_in)
    }

    /// An internal error; only site administrators learn what it was.
    pub(super) fn internal(&self, forge: &Forge, message: &str) -> Refusal {
        Refusal::new(500, if forge.is_site_admin(self.caller) { message } else { "" })
    }

    /// The repository of the path; 404 where the caller may not know of it.
    pub(super) fn place(&self, forge: &Forge) -> Result<Place, Refusal> {
        let owner = self.part("owner");
        if forge.user_named(owner).is_none() {
            let error = format!("user redirect does not exist [name: {owner}]");
            return Err(Refusal::missing("GetUserByName", Some(error)));
        }
        let name = self.part("repo");
        let repo = forge.repository_named(owner, name).ok_or_else(|| match forge.name_now(owner, name) {
            Some(now) => {
                Refusal::moved(self.path_with(owner, name, now), self.request.method() == Method::GET)
            }
            None => Refusal::not_found(),
        })?;
        let access = forge.access(repo, self.caller);
        if access < Access::Read { Err(Refusal::not_found()) } else { Ok(Place { repo: repo.id, access }) }
    }

    /// The path that was asked for, with its query, with another name for the repository.
    pub(super) fn path_with(&self, owner: &str, name: &str, now: &str) -> String {
        let asked = self.request.uri().path_and_query().map_or("", |asked| asked.as_str());
        asked.replacen(&format!("/{owner}/{name}"), &format!("/{owner}/{now}"), 1)
    }

    /// The repository of the path for someone who is signed in and means to change something there.
    pub(super) fn place_to_change(&self, forge: &Forge) -> Result<(Place, u64), Refusal> {
        let place = self.place(forge)?;
        let user = self.user()?;
        if forge.repo(place.repo).archived { Err(Refusal::archived()) } else { Ok((place, user)) }
    }

    /// The same, with the right to write.
    pub(super) fn place_to_write(&self, forge: &Forge) -> Result<(Place, u64), Refusal> {
        let place = self.place(forge)?;
        let user = self.user()?;
        if place.access < Access::Write {
            return Err(Refusal::new(403, "user should have a permission to write to a repo"));
        }
        if forge.repo(place.repo).archived { Err(Refusal::archived()) } else { Ok((place, user)) }
    }

    /// The same, with the right to administer.
    pub(super) fn place_to_administer(&self, forge: &Forge) -> Result<(Place, u64), Refusal> {
        let place = self.place(forge)?;
        let user = self.user()?;
        if place.access < Access::Admin {
            let message = "user should be an owner or a collaborator with admin write of a repository";
            return Err(Refusal::new(403, message));
        }
        Ok((place, user))
    }

    /// The issue (or pull request) of the path in a repository.
    pub(super) fn issue<'f>(&self, forge: &'f Forge, place: Place) -> Result<&'f Issue, Refusal> {
        forge.issue_numbered(place.repo, self.number("index")).ok_or_else(Refusal::not_found)
    }
}

/// An answer with a JSON body.
pub(in crate::forge::simulated) fn json(status: u16, body: &Value) -> Answer {
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    Ok(HttpResponse::build(status).json(body))
}

/// An answer without a body.
pub(super) fn empty(status: u16) -> Answer {
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    Ok(HttpResponse::build(status).finish())
}

/// The page of a list the query asks for, with `X-Total-Count`.
pub(in crate::forge::simulated) fn page_of(call: &Call, all: Vec<Value>, default: usize) -> Answer {
    let total = all.len();
    let (page, limit) = page_and_limit(call, default);
    let shown: Vec<Value> = all.into_iter().skip((page - 1) * limit).take(limit).collect();
    let mut answer = HttpResponse::Ok();
    answer.insert_header(("X-Total-Count", total.to_string()));
    if total > limit {
        let next = format!("<{}?page={}>; rel=\"next\"", call.request.path(), page + 1);
        answer.insert_header(("Link", next));
    }
    Ok(answer.json(shown))
}

/// Page (from 1) and its size: absent or 0 is the default, more than the maximum is the maximum.
pub(super) fn page_and_limit(call: &Call, default: usize) -> (usize, usize) {
    let asked = |name: &str| call.asked(name).and_then(|text| text.parse::<usize>().ok()).unwrap_or(0);
    let limit = match asked("limit") {
        0 => default,
        limit => limit.min(MAX_PAGE),
    };
    (asked("page").max(1), limit)
}
