//! Repositories and who may do what in them.

use serde::Deserialize;
use serde_json::{Value, json};

use super::{Answer, Call, Refusal, call, json as answer};
use crate::forge::simulated::state::{Access, Forge, Repository, now};

#[derive(Deserialize)]
struct NewRepository {
    #[serde(default)]
    name: String,
    #[serde(default)]
    description: String,
    #[serde(default)]
    private: bool,
    #[serde(default)]
    auto_init: bool,
    default_branch: Option<String>,
}

#[derive(Deserialize)]
struct Edit {
    name: Option<String>,
    description: Option<String>,
    private: Option<bool>,
    archived: Option<bool>,
    default_branch: Option<String>,
    has_pull_requests: Option<bool>,
    default_merge_style: Option<String>,
    has_issues: Option<bool>,
    internal_tracker: Option<Tracker>,
}

#[derive(Deserialize)]
struct Tracker {
    #[serde(default)]
    enable_issue_dependencies: bool,
}

fn is_name(name: &str) -> bool {
    name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-'))
        && name.chars().any(|c| c != '.')
}

pub(super) async fn create(call: Call) -> Answer {
    let owner = call.user()?;
    make(call, owner).await
}

pub(super) async fn create_for(call: Call) -> Answer {
    call.user()?;
    let owner = {
        let forge = call.site.forge();
        if !forge.is_site_admin(call.caller) {
            return Err(Refusal::new(403, "user should be the site admin"));
        }
        let login = call.part("user");
        let missing = || Refusal::new(404, format!("user redirect does not exist [name: {login}]"));
        forge.user_named(login).ok_or_else(missing)?.id
    };
    make(call, owner).await
}

async fn make(call: Call, owner: u64) -> Answer {
    let wanted: NewRepository = call.json()?;
    if wanted.name.is_empty() {
        return Err(Refusal::invalid("[Name]: Required"));
    }
    if !is_name(&wanted.name) {
        return Err(Refusal::invalid("[Name]: AlphaDashDot"));
    }
    let branch =
        wanted.default_branch.filter(|branch| !branch.is_empty()).unwrap_or_else(|| "main".to_owned());
    let name = wanted.name.clone();
    let (id, path) = {
        let mut forge = call.site.forge();
        let login = forge.login(owner).to_owned();
        if forge.repository_named(&login, &wanted.name).is_some() {
            return Err(Refusal::new(409, "The repository with the same name already exists."));
        }
        let path = call.site.git.path(&login, &wanted.name);
        let id = forge.next_id("repository");
        let repository = Repository {
            id,
            owner,
            name: wanted.name,
            description: wanted.description,
            private: wanted.private,
            archived: false,
            empty: true,
            default_branch: branch.clone(),
            merge_style: "merge".to_owned(),
            dependencies_enabled: true,
            collaborators: std::collections::BTreeMap::new(),
            labels: std::collections::BTreeMap::new(),
            next_number: 1,
            created: now(),
            updated: now(),
            writing: std::sync::Arc::default(),
        };
        forge.repositories.insert(id, repository);
        (id, path)
    };
    let made = async {
        call.site.git.create(&path, &branch).await?;
        if wanted.auto_init {
            let who = call.site.forge().identity(owner);
            call.site.git.first_commit(&path, &branch, ("README.md", format!("# {name}\n")), &who).await?;
        }
        Ok::<(), Refusal>(())
    };
    if let Err(refusal) = made.await {
        call.site.forge().delete_repository(id);
        return Err(refusal);
    }
    let mut forge = call.site.forge();
    if let Some(repo) = forge.repositories.get_mut(&id) {
        repo.empty = !wanted.auto_init;
    }
    answer(201, &forge.repo_json(forge.repo(id), Access::Owner))
}

pub(super) async fn get(call: Call) -> Answer {
    let forge = call.site.forge();
    let place = call.place(&forge)?;
    answer(200, &forge.repo_json(forge.repo(place.repo), place.access))
}

pub(super) async fn edit(call: Call) -> Answer {
    let mut forge = call.site.forge();
    let (place, _) = call.place_to_administer(&forge)?;
    let edit: Edit = call.json()?;
    let repo = forge.repositories.get_mut(&place.repo).ok_or_else(Refusal::not_found)?;
    if let Some(description) = edit.description {
        repo.description = description;
    }
    if let Some(private) = edit.private {
        repo.private = private;
    }
    if let Some(archived) = edit.archived {
        repo.archived = archived;
    }
    if let Some(branch) = edit.default_branch.filter(|branch| !branch.is_empty()) {
        repo.default_branch = branch;
    }
    // Settings of a part of the repository are read only where the part is named, too.
    if let Some(style) = edit.default_merge_style.filter(|_| edit.has_pull_requests == Some(true)) {
        repo.merge_style = style;
    }
    if let Some(tracker) = edit.internal_tracker.filter(|_| edit.has_issues == Some(true)) {
        repo.dependencies_enabled = tracker.enable_issue_dependencies;
    }
    repo.updated = now();
    if let Some(name) = edit.name.filter(|name| !name.is_empty()) {
        rename(&call, &mut forge, place.repo, &name)?;
    }
    answer(200, &forge.repo_json(forge.repo(place.repo), place.access))
}

/// Gives a repository another name; the old one leads on to it.
fn rename(call: &Call, forge: &mut Forge, id: u64, name: &str) -> Result<(), Refusal> {
    let repo = forge.repo(id);
    let (owner, old) = (repo.owner, repo.name.clone());
    let login = forge.login(owner).to_owned();
    if old == name {
        return Ok(());
    }
    if !is_name(name) || forge.repository_named(&login, name).is_some_and(|other| other.id != id) {
        return Err(Refusal::invalid(format!("repository name is not to be had: {name}")));
    }
    let (from, to) = (call.site.git.path(&login, &old), call.site.git.path(&login, name));
    std::fs::rename(from, to).map_err(|error| Refusal::new(500, error.to_string()))?;
    forge.renamed.remove(&(owner, name.to_ascii_lowercase()));
    forge.renamed.insert((owner, old.to_ascii_lowercase()), id);
    if let Some(repo) = forge.repositories.get_mut(&id) {
        name.clone_into(&mut repo.name);
    }
    Ok(())
}

pub(super) async fn delete(call: Call) -> Answer {
    let path = {
        let mut forge = call.site.forge();
        let (place, _) = call.place_to_administer(&forge)?;
        let repo = forge.repo(place.repo);
        let path = call.site.git.path(forge.login(repo.owner), &repo.name);
        forge.delete_repository(place.repo);
        path
    };
    tokio::fs::remove_dir_all(&path).await.map_err(|error| Refusal::new(500, error.to_string()))?;
    call::empty(204)
}

/// Repositories in order of name that the caller may see and `wanted` holds for.
fn visible(forge: &Forge, caller: Option<u64>, wanted: impl Fn(&Repository, Access) -> bool) -> Vec<Value> {
    let mut found: Vec<(&Repository, Access)> = forge
        .repositories
        .values()
        .map(|repo| (repo, forge.access(repo, caller)))
        .filter(|(repo, access)| *access >= Access::Read && wanted(repo, *access))
        .collect();
    found.sort_by_key(|(repo, _)| (repo.name.to_ascii_lowercase(), repo.id));
    found.into_iter().map(|(repo, access)| forge.repo_json(repo, access)).collect()
}

pub(super) async fn search(call: Call) -> Answer {
    let forge = call.site.forge();
    let word = call.asked("q").unwrap_or_default().to_ascii_lowercase();
    let owner = call.asked("uid").and_then(|uid| uid.parse::<u64>().ok());
    let found = visible(&forge, call.caller, |repo, _| {
        repo.name.to_ascii_lowercase().contains(&word) && owner.is_none_or(|owner| belongs(repo, owner))
    });
    let (page, limit) = call::page_and_limit(&call, call::DEFAULT_PAGE);
    let total = found.len();
    let data: Vec<Value> = found.into_iter().skip((page - 1) * limit).take(limit).collect();
    let mut shown = actix_web::HttpResponse::Ok();
    shown.insert_header(("X-Total-Count", total.to_string()));
    Ok(shown.json(json!({ "ok": true, "data": data })))
}

fn belongs(repo: &Repository, user: u64) -> bool {
    repo.owner == user || repo.collaborators.contains_key(&user)
}

pub(super) async fn mine(call: Call) -> Answer {
    let user = call.user()?;
    let forge = call.site.forge();
    let found = visible(&forge, call.caller, |repo, _| belongs(repo, user));
    call::page_of(&call, found, call::DEFAULT_PAGE)
}

pub(super) async fn assignees(call: Call) -> Answer {
    let forge = call.site.forge();
    let place = call.place(&forge)?;
    let user = call.user()?;
    let repo = forge.repo(place.repo);
    let may =
        |id: &&u64| **id == repo.owner || repo.collaborators.get(id).is_some_and(|a| *a >= Access::Write);
    let shown: Vec<Value> =
        forge.users.keys().filter(may).map(|id| forge.user_json(*id, Some(user))).collect();
    answer(200, &Value::Array(shown))
}

pub(super) async fn collaborators(call: Call) -> Answer {
    let forge = call.site.forge();
    let place = call.place(&forge)?;
    let user = call.user()?;
    let shown: Vec<Value> =
        forge.repo(place.repo).collaborators.keys().map(|id| forge.user_json(*id, Some(user))).collect();
    call::page_of(&call, shown, call::DEFAULT_PAGE)
}

fn named(call: &Call, forge: &Forge, status: u16) -> Result<u64, Refusal> {
    let login = call.part("user");
    let missing = || Refusal::new(status, format!("user does not exist [uid: 0, name: {login}]"));
    Ok(forge.user_named(login).ok_or_else(missing)?.id)
}

pub(super) async fn is_collaborator(call: Call) -> Answer {
    let forge = call.site.forge();
    let place = call.place(&forge)?;
    call.user()?;
    let user = named(&call, &forge, 422)?;
    if forge.repo(place.repo).collaborators.contains_key(&user) {
        call::empty(204)
    } else {
        Err(Refusal::not_found())
    }
}

#[derive(Deserialize)]
struct Grant {
    permission: Option<String>,
}

pub(super) async fn add_collaborator(call: Call) -> Answer {
    let mut forge = call.site.forge();
    let (place, _) = call.place_to_administer(&forge)?;
    let user = named(&call, &forge, 422)?;
    let grant: Grant = call.json()?;
    let access = Access::of_word(grant.permission.as_deref());
    if let Some(repo) = forge.repositories.get_mut(&place.repo) {
        repo.collaborators.insert(user, access);
    }
    call::empty(204)
}

pub(super) async fn remove_collaborator(call: Call) -> Answer {
    let mut forge = call.site.forge();
    let (place, _) = call.place_to_administer(&forge)?;
    let user = named(&call, &forge, 422)?;
    if let Some(repo) = forge.repositories.get_mut(&place.repo) {
        repo.collaborators.remove(&user);
    }
    call::empty(204)
}

pub(super) async fn permission(call: Call) -> Answer {
    let forge = call.site.forge();
    let place = call.place(&forge)?;
    let caller = call.user()?;
    let is_self = forge.login(caller).eq_ignore_ascii_case(call.part("user"));
    if !is_self && place.access < Access::Admin {
        let message = "Only admins can query all permissions, repo admins can query all repo permissions, \
                       collaborators can query only their own";
        return Err(Refusal::new(403, message));
    }
    let user = named(&call, &forge, 404)?;
    let access = forge.access(forge.repo(place.repo), Some(user)).name();
    let user = forge.user_json(user, Some(caller));
    answer(200, &json!({ "permission": access, "role_name": access, "user": user }))
}
