//! The whole loop through the front door: signed webhooks in; calls to the forge, git refs and the process table out.
//!
//! The same scenarios are played on the simulated forge and on a real Gitea, where `MOSAIC_GITEA` names one. Each has a
//! world of its own and ends with the assertion that nothing is left over.

/// Makes two tests of each scenario, one per kind of forge.
macro_rules! on_both_forges {
    ($($scenario:ident),* $(,)?) => {
        mod simulated {
            $(
                #[tokio::test]
                async fn $scenario() {
                    super::$scenario(crate::support::forge_under_test::ForgeUnderTest::simulated().await).await;
                }
            )*
        }
        mod real {
            $(
                #[tokio::test]
                async fn $scenario() {
                    if let Some(forge) = crate::support::forge_under_test::ForgeUnderTest::real().await {
                        super::$scenario(forge).await;
                    }
                }
            )*
        }
    };
}

mod agents;
mod blockers;
mod changes;
mod gating;
mod merging;
mod supervision;
mod webhooks;
mod whole_loop;
mod withdrawn;
