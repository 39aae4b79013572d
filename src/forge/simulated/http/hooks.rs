//! Hooks of repositories and of the whole site. Secrets go in and never come out.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

use super::{Answer, Call, Refusal, call, json as answer};
use crate::forge::simulated::{
    events::subscribed,
    state::{Forge, Hook, HookScope, now},
};

#[derive(Deserialize)]
struct NewHook {
    #[serde(default, rename = "type")]
    kind: String,
    #[serde(default)]
    config: BTreeMap<String, String>,
    #[serde(default)]
    events: Vec<String>,
    #[serde(default)]
    branch_filter: String,
    #[serde(default)]
    authorization_header: String,
    /// A hook that does not say it is active is not.
    #[serde(default)]
    active: bool,
}

#[derive(Deserialize)]
struct Edit {
    #[serde(default)]
    config: BTreeMap<String, String>,
    #[serde(default)]
    events: Vec<String>,
    #[serde(default)]
    branch_filter: String,
    #[serde(default)]
    authorization_header: String,
    active: Option<bool>,
}

fn check_target(config: &BTreeMap<String, String>) -> Result<(), Refusal> {
    if config.get("content_type").is_some_and(|kind| !matches!(kind.as_str(), "json" | "form")) {
        return Err(Refusal::invalid("Invalid content type"));
    }
    if config.get("url").is_some_and(|url| !url.starts_with("http://") && !url.starts_with("https://")) {
        return Err(Refusal::invalid("Invalid url"));
    }
    Ok(())
}

fn make(call: &Call, forge: &mut Forge, scope: HookScope) -> Answer {
    let wanted: NewHook = call.json()?;
    for (field, missing) in [("Type", wanted.kind.is_empty()), ("Config", wanted.config.is_empty())] {
        if missing {
            return Err(Refusal::invalid(format!("[{field}]: Required")));
        }
    }
    if !matches!(wanted.kind.as_str(), "gitea" | "gogs") {
        return Err(Refusal::invalid(format!("Invalid hook type: {}", wanted.kind)));
    }
    for name in ["url", "content_type"] {
        if !wanted.config.contains_key(name) {
            return Err(Refusal::invalid(format!("Missing config option: {name}")));
        }
    }
    check_target(&wanted.config)?;
    let setting = |name: &str| wanted.config.get(name).cloned().unwrap_or_default();
    let scope = match (scope, setting("is_system_webhook").as_str()) {
        (HookScope::System, "true") => HookScope::System,
        (HookScope::System, _) => HookScope::Default,
        (scope, _) => scope,
    };
    let id = forge.next_id("hook");
    let hook = Hook {
        id,
        scope,
        url: setting("url"),
        content_type: setting("content_type"),
        secret: setting("secret"),
        kind: wanted.kind,
        active: wanted.active,
        events: subscribed(&wanted.events),
        branch_filter: wanted.branch_filter,
        authorization: wanted.authorization_header,
        created: now(),
        updated: now(),
    };
    forge.hooks.insert(id, hook);
    answer(201, &forge.hook_json(&forge.hooks[&id]))
}

/// The hook of the path among those `here` holds for.
fn find(call: &Call, forge: &Forge, here: impl Fn(HookScope) -> bool) -> Result<u64, Refusal> {
    let hook = forge.hooks.get(&call.number("id")).filter(|hook| here(hook.scope));
    hook.map(|hook| hook.id).ok_or_else(Refusal::not_found)
}

fn listed(call: &Call, forge: &Forge, here: impl Fn(HookScope) -> bool) -> Answer {
    let shown: Vec<Value> =
        forge.hooks.values().filter(|hook| here(hook.scope)).map(|hook| forge.hook_json(hook)).collect();
    call::page_of(call, shown, call::DEFAULT_PAGE)
}

/// The hooks that hang on a repository.
fn on(repo: u64) -> impl Fn(HookScope) -> bool {
    move |scope| scope == HookScope::Repository(repo)
}

fn of_site(scope: HookScope) -> bool {
    !matches!(scope, HookScope::Repository(_))
}

pub(super) async fn list(call: Call) -> Answer {
    let forge = call.site.forge();
    let (place, _) = call.place_to_administer(&forge)?;
    listed(&call, &forge, on(place.repo))
}

pub(super) async fn create(call: Call) -> Answer {
    let mut forge = call.site.forge();
    let (place, _) = call.place_to_administer(&forge)?;
    make(&call, &mut forge, HookScope::Repository(place.repo))
}

pub(super) async fn get(call: Call) -> Answer {
    let forge = call.site.forge();
    let (place, _) = call.place_to_administer(&forge)?;
    let hook = find(&call, &forge, on(place.repo))?;
    answer(200, &forge.hook_json(&forge.hooks[&hook]))
}

/// Changes a hook. What the body leaves out is reset, but for the secret, which cannot be changed.
pub(super) async fn edit(call: Call) -> Answer {
    let mut forge = call.site.forge();
    let (place, _) = call.place_to_administer(&forge)?;
    let id = find(&call, &forge, on(place.repo))?;
    let edit: Edit = call.json()?;
    check_target(&edit.config)?;
    let hook = forge.hooks.get_mut(&id).ok_or_else(Refusal::not_found)?;
    if let Some(url) = edit.config.get("url") {
        hook.url.clone_from(url);
    }
    if let Some(kind) = edit.config.get("content_type") {
        hook.content_type.clone_from(kind);
    }
    hook.events = subscribed(&edit.events);
    hook.branch_filter = edit.branch_filter;
    hook.authorization = edit.authorization_header;
    hook.active = edit.active.unwrap_or(hook.active);
    hook.updated = now();
    answer(200, &forge.hook_json(&forge.hooks[&id]))
}

pub(super) async fn delete(call: Call) -> Answer {
    let mut forge = call.site.forge();
    let (place, _) = call.place_to_administer(&forge)?;
    let hook = find(&call, &forge, on(place.repo))?;
    forge.hooks.remove(&hook);
    call::empty(204)
}

/// Sends a made-up push; 204 also where the hook takes none and nothing is sent.
pub(super) async fn test(call: Call) -> Answer {
    let (repo, user, hook, branch) = {
        let forge = call.site.forge();
        let (place, user) = call.place_to_administer(&forge)?;
        let hook = find(&call, &forge, on(place.repo))?;
        (place.repo, user, hook, forge.repo(place.repo).default_branch.clone())
    };
    let path = call.site.path(repo);
    let Some(head) = call.site.pushed(&path, &format!("refs/heads/{branch}")).await else {
        return call::empty(204);
    };
    let forge = call.site.forge();
    if let Some(hook) = forge.hooks.get(&hook) {
        forge.announce_test(hook, repo, &head, user);
    }
    call::empty(204)
}

fn site_admin(call: &Call, forge: &Forge) -> Result<(), Refusal> {
    call.user()?;
    let refused = || Refusal::new(403, "user should be the site admin");
    if forge.is_site_admin(call.caller) { Ok(()) } else { Err(refused()) }
}

pub(super) async fn list_system(call: Call) -> Answer {
    let forge = call.site.forge();
    site_admin(&call, &forge)?;
    listed(&call, &forge, of_site)
}

pub(super) async fn create_system(call: Call) -> Answer {
    let mut forge = call.site.forge();
    site_admin(&call, &forge)?;
    make(&call, &mut forge, HookScope::System)
}

pub(super) async fn get_system(call: Call) -> Answer {
    let forge = call.site.forge();
    site_admin(&call, &forge)?;
    let hook = find(&call, &forge, of_site)?;
    answer(200, &forge.hook_json(&forge.hooks[&hook]))
}

pub(super) async fn delete_system(call: Call) -> Answer {
    let mut forge = call.site.forge();
    site_admin(&call, &forge)?;
    let hook = find(&call, &forge, of_site)?;
    forge.hooks.remove(&hook);
    call::empty(204)
}
