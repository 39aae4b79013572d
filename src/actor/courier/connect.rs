//! Who the bot is: nothing goes to the forge before it said so.

use std::{sync::Arc, time::Duration};

use super::{Connect, Connected, Courier, Recheck};
use crate::{
    forge::ForgeError,
    runtime::{Handle, Scope},
};

/// How long until the forge is asked again.
const RETRY: Duration = Duration::from_secs(5);
/// How often a forge that answered is asked whether it still does.
const RECHECK: Duration = Duration::from_secs(30);

impl Courier {
    pub(super) fn connect(&mut self, scope: &Scope<Self>) {
        if self.connecting {
            return;
        }
        if !self.ground.forge.has_token() {
            self.ground.bot.store(None);
            self.ground.health.bad("forge", "gitea.token is not set: set it, or GITEA_TOKEN");
            return;
        }
        self.connecting = true;
        self.round += 1;
        let forge = self.ground.forge.clone();
        scope.run(async move { forge.current_user().await }, |bot| Connected { bot });
    }
}

impl Handle<Connect> for Courier {
    fn handle(&mut self, _message: Connect, scope: &Scope<Self>) {
        self.connect(scope);
    }
}

impl Handle<Recheck> for Courier {
    fn handle(&mut self, message: Recheck, scope: &Scope<Self>) {
        if message.round == self.round {
            self.connect(scope);
        }
    }
}

impl Handle<Connected> for Courier {
    fn handle(&mut self, message: Connected, scope: &Scope<Self>) {
        self.connecting = false;
        match message.bot {
            Ok(bot) => {
                let known = self.ground.bot.load().as_ref().is_some_and(|known| known.id == bot.id);
                if !known {
                    tracing::info!(login = %bot.login, id = bot.id, "the forge answers; this is the bot");
                }
                self.ground.health.good("forge", format!("answers; the bot is {}", bot.login));
                self.ground.bot.store(Some(Arc::new(bot)));
                self.set_off(scope);
                scope.after(RECHECK, Recheck { round: self.round });
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
                let pause = error.retry_after().unwrap_or(RETRY);
                scope.after(pause, Recheck { round: self.round });
            }
        }
    }
}
