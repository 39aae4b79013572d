//! Who the bot is: nothing goes to the forge before it said so.

use std::{sync::Arc, time::Duration};

use super::{Connect, Connected, Courier, Reconnect};
use crate::{
    forge::{ForgeError, wire::BotUser},
    runtime::{Handle, Scope},
    workspace::Identity,
};

/// How long until the forge is asked again.
const RETRY: Duration = Duration::from_secs(5);
/// How often a forge that answered is asked whether it still does.
const RECHECK: Duration = Duration::from_secs(30);

impl Courier {
    pub(super) fn connect(&mut self, scope: &Scope<Self>) {
        // An answer under way may be to an older token.
        self.round += 1;
        if self.connecting {
            return;
        }
        if !self.ground.forge.has_token() {
            self.ground.bot.store(None);
            self.ground.health.bad("forge", "gitea.token is not set: set it, or GITEA_TOKEN");
            return;
        }
        self.connecting = true;
        let forge = self.ground.forge.clone();
        let round = self.round;
        scope.run(async move { forge.current_user().await }, move |bot| Connected { round, bot });
    }

    /// Whoever rests because the forge did not answer need not wait any longer; `Retry-After` is the client's to keep.
    fn wake_lanes(&mut self) {
        for lane in self.lanes.values_mut() {
            lane.troubles.clear();
        }
    }
}

impl Handle<Reconnect> for Courier {
    fn handle(&mut self, message: Reconnect, scope: &Scope<Self>) {
        // One line of looks at a time: a later one has replaced this one.
        if message.round == self.round {
            self.connect(scope);
        }
    }
}

impl Handle<Connect> for Courier {
    fn handle(&mut self, _message: Connect, scope: &Scope<Self>) {
        self.connect(scope);
    }
}

impl Handle<Connected> for Courier {
    fn handle(&mut self, message: Connected, scope: &Scope<Self>) {
        let Connected { round, bot } = message;
        self.connecting = false;
        if round != self.round {
            self.connect(scope);
            return;
        }
        match bot {
            Ok(bot) => {
                let known = self.ground.bot.load().as_ref().is_some_and(|known| **known == bot);
                if !known {
                    tracing::info!(login = %bot.login, id = bot.id, "the forge answers; this is the bot");
                    self.ground.workspaces.set_identity(identity(&bot));
                }
                let was_bad = self.ground.health.get("forge").is_none_or(|check| !check.ok);
                if was_bad {
                    self.wake_lanes();
                }
                self.ground.health.good("forge", format!("answers; the bot is {}", bot.login));
                self.ground.bot.store(Some(Arc::new(bot)));
                self.set_off(scope);
                scope.after(RECHECK, Reconnect { round });
            }
            Err(error) => {
                tracing::warn!(%error, "the forge does not answer");
                let url = self.ground.forge.base_url();
                let detail = match &error {
                    ForgeError::Unauthorized { .. } => {
                        format!("{url} refuses gitea.token: {error}")
                    }
                    _ => format!("{url}: {error}"),
                };
                self.ground.health.bad("forge", detail);
                // Known once, the bot is who it was: errands go on and are tried again by themselves.
                scope.after(error.retry_after().unwrap_or(RETRY), Reconnect { round });
            }
        }
    }
}

/// Commits are the bot's, under the address that the forge knows it by.
fn identity(bot: &BotUser) -> Identity {
    let name = bot.login.clone();
    let email = if bot.email.is_empty() { format!("{name}@noreply.localhost") } else { bot.email.clone() };
    Identity { name, email }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bot_whose_address_is_hidden_still_signs_its_commits() {
        let bot = |email: &str| BotUser { id: 2, login: "bot".to_owned(), email: email.to_owned() };
        assert_eq!(identity(&bot("bot@x.example")).email, "bot@x.example");
        assert_eq!(identity(&bot("")).email, "bot@noreply.localhost");
        assert_eq!(identity(&bot("")).name, "bot");
    }
}
