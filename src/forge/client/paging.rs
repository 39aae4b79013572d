//! Lists: every page, in spite of limits that vary and rows that move between two requests.

use std::{collections::BTreeSet, sync::atomic::Ordering};

use bytes::Bytes;
use serde::{Deserialize, de::DeserializeOwned};

use super::{
    Forge,
    transport::{Answer, Call},
};
use crate::forge::{error::ForgeError, wire::WireIssue};

/// What every forge grants by default, and what is asked for at most.
const PAGE_LIMIT: u32 = 50;
/// More than this is no list of ours but a forge that does not understand `page`.
const MAX_PAGES: u32 = 1000;

/// How the end of a list is told.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum LastPage {
    /// Shorter than the limit, unless the forge counts more.
    Short,
    /// Empty: the forge drops rows from pages after cutting them.
    Empty,
}

impl Forge {
    /// How many items a page holds: what `/settings/api` says, at most 50, and 50 where it says nothing.
    pub async fn settings_page_limit(&self) -> u32 {
        let known = self.0.page_limit.load(Ordering::Relaxed);
        if known > 0 {
            return known;
        }
        #[derive(Deserialize)]
        struct Settings {
            max_response_items: u32,
        }
        let Ok(call) = Call::get(["settings", "api"]) else { return PAGE_LIMIT };
        let said = self.fetch::<Settings>(call.anonymous()).await.map(|said| said.max_response_items);
        let limit = match said {
            Ok(items) => items.clamp(1, PAGE_LIMIT),
            Err(error) if error.is_retryable() => return PAGE_LIMIT,
            Err(_) => PAGE_LIMIT,
        };
        self.0.page_limit.store(limit, Ordering::Relaxed);
        limit
    }

    /// All items of a list, in the forge's order; rows may appear twice or be missed when others come or go.
    pub(super) async fn list<T: DeserializeOwned>(
        &self,
        call: Call,
        last: LastPage,
    ) -> Result<Vec<T>, ForgeError> {
        self.pages(call, last, |answer| answer.json::<Option<Vec<_>>>().map(Option::unwrap_or_default)).await
    }

    /// All items of a list whose pages `read` understands; `None` items are dropped but count for a page.
    pub(super) async fn pages<T>(
        &self,
        call: Call,
        last: LastPage,
        read: impl Fn(&Answer) -> Result<Vec<Option<T>>, ForgeError>,
    ) -> Result<Vec<T>, ForgeError> {
        let limit = self.settings_page_limit().await;
        let (mut items, mut seen, mut before) = (Vec::new(), 0, Bytes::new());
        for page in 1..=MAX_PAGES {
            let answer = self.send(&call.clone().query("page", page).query("limit", limit)).await?;
            let rows = read(&answer)?;
            // The same page twice: this forge gives the whole list whatever the page.
            if rows.is_empty() || answer.body == before {
                return Ok(items);
            }
            seen += rows.len();
            let full = rows.len() >= limit as usize || answer.total.is_some_and(|total| seen < total);
            items.extend(rows.into_iter().flatten());
            if last == LastPage::Short && !full {
                return Ok(items);
            }
            before = answer.body;
        }
        Err(ForgeError::Shape { call: call.name(), message: format!("more than {MAX_PAGES} pages") })
    }
}

/// Each issue once; hidden ones, which have no number, are all kept.
pub(super) fn each_once(issues: Vec<WireIssue>) -> Vec<WireIssue> {
    let mut seen = BTreeSet::new();
    issues.into_iter().filter(|issue| issue.id == 0 || seen.insert(issue.id)).collect()
}
