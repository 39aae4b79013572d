//! Which model takes a task, and which agent runs it.
//!
//! Owns the rule: the cheapest model whose capability covers the difficulty and whose window covers twice the
//! estimate. Promises the same choice for the same input, and a sentence that says why. Where nothing fits
//! wholly it takes the nearest and says so; it never refuses while any model is configured.

use std::{cmp::Ordering, collections::BTreeMap};

use serde::{Deserialize, Serialize};

use super::metadata::Difficulty;

/// The hardest difficulty that a model may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Capability {
    /// Easy issues.
    Low,
    /// Easy and medium issues.
    Medium,
    /// All issues.
    High,
}

impl Capability {
    /// The least capability that covers `difficulty`.
    pub fn needed_for(difficulty: Difficulty) -> Self {
        match difficulty {
            Difficulty::Easy => Self::Low,
            Difficulty::Medium => Self::Medium,
            Difficulty::Hard => Self::High,
        }
    }

    /// The word for it, as the configuration says it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
        }
    }
}

/// What routing knows of a configured model.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ModelFacts {
    /// Who runs it, a key under `[agents]`.
    pub agent: String,
    /// Its context window in tokens.
    pub window_tokens: u64,
    /// US dollars per million tokens read.
    pub input_price: f64,
    /// US dollars per million tokens written.
    pub output_price: f64,
    /// The hardest it may take.
    pub capability: Capability,
}

impl ModelFacts {
    /// What models are compared by: both prices together, in US dollars per million tokens.
    pub fn price(&self) -> f64 {
        self.input_price + self.output_price
    }

    /// Free where both prices are zero.
    pub fn tier(&self) -> Tier {
        if self.input_price == 0.0 && self.output_price == 0.0 { Tier::Free } else { Tier::Paid }
    }
}

/// Whether a model costs money.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Tier {
    /// Both prices are zero.
    Free,
    /// It costs.
    Paid,
}

/// What a task asks of its model.
#[derive(Clone, Copy, Debug)]
pub struct RouteInput<'a> {
    /// How hard the issue is.
    pub difficulty: Difficulty,
    /// The predicted peak context in tokens.
    pub estimate_tokens: u64,
    /// `Model:` of the issue, a key under `[models]`.
    pub wanted_model: Option<&'a str>,
    /// `Agent:` of the issue, a key under `[agents]`.
    pub wanted_agent: Option<&'a str>,
    /// Capability that it must have whatever the difficulty.
    pub at_least: Option<Capability>,
}

/// The choice of a model and its agent for a task, with the reason.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Route {
    /// Key under `[models]`.
    pub model: String,
    /// Key under `[agents]`.
    pub agent: String,
    /// Whether it costs money.
    pub tier: Tier,
    /// The model's capability.
    pub capability: Capability,
    /// The rule that chose it, and what was ignored, in words for a person.
    pub why: String,
}

type Candidate<'a> = (&'a str, &'a ModelFacts);

/// Chooses the model of a task; `None` only where no model is configured.
pub fn route(input: RouteInput<'_>, models: &BTreeMap<String, ModelFacts>) -> Option<Route> {
    let needed = Capability::needed_for(input.difficulty);
    let needed = input.at_least.map_or(needed, |at_least| needed.max(at_least));
    let most = models.values().map(|model| model.capability).max()?;
    let level = needed.min(most);
    let capable: Vec<Candidate<'_>> = candidates(models).filter(|(_, m)| m.capability >= level).collect();
    let asked = if Capability::needed_for(input.difficulty) == needed {
        format!("{} issues", input.difficulty.word())
    } else {
        format!("what asks for {} capability", needed.word())
    };
    let rule = if level < needed {
        format!("of the most capable configured, as none is capable of {asked}")
    } else {
        format!("of those capable of {asked}")
    };
    choose(&input, capable, &rule)
}

/// Chooses the model that a task in vain on `current` goes to: one of the next higher capability configured.
///
/// `None` where no more capable model is configured: the task then parks.
pub fn escalation(
    current: Capability,
    input: RouteInput<'_>,
    models: &BTreeMap<String, ModelFacts>,
) -> Option<Route> {
    let next =
        models.values().map(|model| model.capability).filter(|&capability| capability > current).min()?;
    let capable: Vec<Candidate<'_>> = candidates(models).filter(|(_, m)| m.capability == next).collect();
    let rule = format!("of {} capability, the next above {}", next.word(), current.word());
    choose(&input, capable, &rule)
}

fn candidates(models: &BTreeMap<String, ModelFacts>) -> impl Iterator<Item = Candidate<'_>> {
    models.iter().map(|(name, facts)| (name.as_str(), facts))
}

/// Chooses among `capable`, narrowed by what is wanted, the cheapest that fits, else the largest.
fn choose(input: &RouteInput<'_>, capable: Vec<Candidate<'_>>, rule: &str) -> Option<Route> {
    let mut narrowed = capable;
    let mut words = String::new();
    if let Some(wanted) = input.wanted_model {
        let kept = |(name, _): &Candidate<'_>| name.eq_ignore_ascii_case(wanted);
        words += &narrow(&mut narrowed, kept, "Model", wanted);
    }
    if let Some(wanted) = input.wanted_agent {
        let kept = |(_, facts): &Candidate<'_>| facts.agent.eq_ignore_ascii_case(wanted);
        words += &narrow(&mut narrowed, kept, "Agent", wanted);
    }
    let needed_tokens = input.estimate_tokens.saturating_mul(2);
    let fitting = narrowed.iter().filter(|(_, facts)| facts.window_tokens >= needed_tokens);
    let (name, facts, chosen_as) = match fitting.min_by(|a, b| by_price(a, b)) {
        Some(&(name, facts)) => (name, facts, format!("the cheapest {rule} whose window covers")),
        None => {
            let &(name, facts) = narrowed.iter().min_by(|a, b| by_window(a, b))?;
            (name, facts, format!("the largest window {rule}, none of which covers"))
        }
    };
    let why = format!(
        "`{name}` is {chosen_as} twice the estimate of {} tokens: {}, window {} tokens{words}",
        input.estimate_tokens,
        price_in_words(facts),
        facts.window_tokens
    );
    Some(Route {
        model: name.to_owned(),
        agent: facts.agent.clone(),
        tier: facts.tier(),
        capability: facts.capability,
        why,
    })
}

/// Keeps what is wanted, or all of them where that would leave none, and says which.
fn narrow(
    candidates: &mut Vec<Candidate<'_>>,
    kept: impl Fn(&Candidate<'_>) -> bool,
    key: &str,
    wanted: &str,
) -> String {
    if !candidates.iter().any(&kept) {
        return format!("; `{key}: {wanted}` is ignored, as it leaves no candidate");
    }
    candidates.retain(kept);
    format!("; narrowed by `{key}: {wanted}`")
}

fn by_price(a: &Candidate<'_>, b: &Candidate<'_>) -> Ordering {
    let (one, two) = (a.1, b.1);
    one.price()
        .total_cmp(&two.price())
        .then(one.capability.cmp(&two.capability))
        .then(one.window_tokens.cmp(&two.window_tokens))
        .then(a.0.cmp(b.0))
}

fn by_window(a: &Candidate<'_>, b: &Candidate<'_>) -> Ordering {
    b.1.window_tokens.cmp(&a.1.window_tokens).then(by_price(a, b))
}

fn price_in_words(facts: &ModelFacts) -> String {
    match facts.tier() {
        Tier::Free => "free".to_owned(),
        Tier::Paid => {
            format!("${} in and ${} out per million tokens", facts.input_price, facts.output_price)
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn model(agent: &str, window_tokens: u64, price: f64, capability: Capability) -> ModelFacts {
        ModelFacts {
            agent: agent.to_owned(),
            window_tokens,
            input_price: price,
            output_price: price * 4.0,
            capability,
        }
    }

    fn fleet() -> BTreeMap<String, ModelFacts> {
        BTreeMap::from([
            ("local".to_owned(), model("house", 32_000, 0.0, Capability::Low)),
            ("small".to_owned(), model("mine", 200_000, 0.25, Capability::Low)),
            ("middle".to_owned(), model("mine", 200_000, 1.0, Capability::Medium)),
            ("wide".to_owned(), model("other", 1_000_000, 2.0, Capability::Medium)),
            ("large".to_owned(), model("mine", 400_000, 5.0, Capability::High)),
        ])
    }

    fn asks(difficulty: Difficulty, estimate_tokens: u64) -> RouteInput<'static> {
        RouteInput { difficulty, estimate_tokens, wanted_model: None, wanted_agent: None, at_least: None }
    }

    fn chosen(input: RouteInput<'_>) -> String {
        route(input, &fleet()).unwrap().model
    }

    #[test]
    fn the_cheapest_capable_model_whose_window_covers_twice_the_estimate_is_taken() {
        assert_eq!(chosen(asks(Difficulty::Easy, 16_000)), "local");
        assert_eq!(chosen(asks(Difficulty::Easy, 16_001)), "small");
        assert_eq!(chosen(asks(Difficulty::Medium, 60_000)), "middle");
        assert_eq!(chosen(asks(Difficulty::Medium, 100_001)), "wide");
        assert_eq!(chosen(asks(Difficulty::Hard, 120_000)), "large");
    }

    #[test]
    fn where_no_window_covers_it_the_largest_among_the_capable_is_taken() {
        assert_eq!(chosen(asks(Difficulty::Medium, 600_000)), "wide");
        assert_eq!(chosen(asks(Difficulty::Hard, u64::MAX)), "large");
    }

    #[test]
    fn where_none_is_capable_the_most_capable_is_taken() {
        let mut models = fleet();
        models.remove("large");
        let made = route(asks(Difficulty::Hard, 10_000), &models).unwrap();
        assert_eq!((made.model.as_str(), made.capability), ("middle", Capability::Medium));
        assert!(made.why.contains("none is capable of hard issues"), "{}", made.why);
    }

    #[test]
    fn wishes_narrow_the_capable_candidates() {
        let input = RouteInput { wanted_agent: Some("other"), ..asks(Difficulty::Easy, 1_000) };
        assert_eq!(chosen(input), "wide");
        let input = RouteInput { wanted_model: Some("Middle"), ..asks(Difficulty::Easy, 1_000) };
        assert_eq!(chosen(input), "middle");
    }

    #[test]
    fn wishes_that_leave_no_candidate_are_ignored_and_the_reason_says_so() {
        let input = RouteInput {
            wanted_model: Some("local"),
            wanted_agent: Some("nobody"),
            ..asks(Difficulty::Medium, 1_000)
        };
        let made = route(input, &fleet()).unwrap();
        assert_eq!(made.model, "middle");
        assert_eq!(
            made.why,
            "`middle` is the cheapest of those capable of medium issues whose window covers twice the estimate of \
             1000 tokens: $1 in and $4 out per million tokens, window 200000 tokens; `Model: local` is ignored, as it \
             leaves no candidate; `Agent: nobody` is ignored, as it leaves no candidate"
        );
    }

    #[test]
    fn ties_go_to_lower_capability_then_smaller_window_then_name() {
        let free = |window, capability| model("a", window, 0.0, capability);
        let mut models = BTreeMap::from([
            ("z".to_owned(), free(100, Capability::High)),
            ("y".to_owned(), free(200, Capability::Medium)),
            ("x".to_owned(), free(150, Capability::Medium)),
            ("w".to_owned(), free(150, Capability::Medium)),
        ]);
        for expected in ["w", "x", "y", "z"] {
            assert_eq!(route(asks(Difficulty::Medium, 1), &models).unwrap().model, expected);
            models.remove(expected);
        }
        assert_eq!(route(asks(Difficulty::Medium, 1), &models), None);
    }

    #[test]
    fn a_model_is_free_only_where_both_prices_are_zero() {
        let made = route(asks(Difficulty::Easy, 1_000), &fleet()).unwrap();
        assert_eq!((made.tier, made.agent.as_str()), (Tier::Free, "house"));
        assert!(made.why.contains("free, window 32000 tokens"), "{}", made.why);
        let half = ModelFacts { output_price: 0.0, ..model("a", 1, 1.0, Capability::Low) };
        assert_eq!(half.tier(), Tier::Paid);
    }

    #[test]
    fn a_capability_asked_for_outright_is_kept_whatever_the_difficulty() {
        let input = RouteInput { at_least: Some(Capability::High), ..asks(Difficulty::Easy, 1_000) };
        let made = route(input, &fleet()).unwrap();
        assert_eq!(made.model, "large");
        assert!(made.why.contains("of those capable of what asks for high capability"), "{}", made.why);
        let input = RouteInput { at_least: Some(Capability::Low), ..asks(Difficulty::Hard, 1_000) };
        assert_eq!(chosen(input), "large");
    }

    #[test]
    fn escalation_goes_one_configured_level_up() {
        let up =
            |current| escalation(current, asks(Difficulty::Easy, 1_000), &fleet()).map(|made| made.model);
        assert_eq!(up(Capability::Low).as_deref(), Some("middle"));
        assert_eq!(up(Capability::Medium).as_deref(), Some("large"));
        assert_eq!(up(Capability::High), None);
        let mut models = fleet();
        models.retain(|_, facts| facts.capability != Capability::Medium);
        let made = escalation(Capability::Low, asks(Difficulty::Easy, 1_000), &models).unwrap();
        assert_eq!(made.model, "large");
        assert!(made.why.contains("of high capability, the next above low"), "{}", made.why);
    }

    #[test]
    fn escalation_stays_on_the_next_level_even_where_a_higher_one_is_cheaper() {
        let mut models = fleet();
        models.insert("gift".to_owned(), model("mine", 1_000_000, 0.0, Capability::High));
        let made = escalation(Capability::Low, asks(Difficulty::Easy, 1_000), &models).unwrap();
        assert_eq!(made.model, "middle");
    }

    fn capability() -> impl Strategy<Value = Capability> {
        prop_oneof![Just(Capability::Low), Just(Capability::Medium), Just(Capability::High)]
    }

    fn difficulty() -> impl Strategy<Value = Difficulty> {
        prop_oneof![Just(Difficulty::Easy), Just(Difficulty::Medium), Just(Difficulty::Hard)]
    }

    fn models() -> impl Strategy<Value = BTreeMap<String, ModelFacts>> {
        let facts = ("[a-c]", 1..9_u64, 0..5_u8, capability()).prop_map(|(agent, window, price, level)| {
            model(&agent, window * 50_000, f64::from(price), level)
        });
        prop::collection::btree_map("[p-z]", facts, 1..9)
    }

    proptest! {
        #[test]
        fn the_route_is_never_dearer_than_another_that_satisfies_the_same(
            models in models(), difficulty in difficulty(), estimate_tokens in 0..300_000_u64,
            wanted_model in prop::option::of("[p-z]"), wanted_agent in prop::option::of("[a-d]"),
            at_least in prop::option::of(capability()),
        ) {
            let input = RouteInput {
                difficulty, estimate_tokens, wanted_model: wanted_model.as_deref(), wanted_agent: wanted_agent.as_deref(), at_least,
            };
            let made = route(input, &models).unwrap();
            prop_assert_eq!(&made, &route(input, &models).unwrap());
            let taken = &models[&made.model];
            prop_assert_eq!((&made.agent, made.capability, made.tier), (&taken.agent, taken.capability, taken.tier()));

            let needed = at_least.into_iter().fold(Capability::needed_for(difficulty), Ord::max);
            let most = models.values().map(|facts| facts.capability).max().unwrap();
            prop_assert!(taken.capability >= needed.min(most));
            let honours = |name: &str, facts: &ModelFacts| {
                (!made.why.contains("narrowed by `Model") || Some(name) == wanted_model.as_deref())
                    && (!made.why.contains("narrowed by `Agent") || Some(facts.agent.as_str()) == wanted_agent.as_deref())
            };
            prop_assert!(honours(&made.model, taken));
            let fits = taken.window_tokens >= 2 * estimate_tokens;
            for (name, other) in &models {
                if other.capability < needed.min(most) || !honours(name, other) {
                    continue;
                }
                if fits && other.window_tokens >= 2 * estimate_tokens {
                    prop_assert!(taken.price() <= other.price(), "{} is dearer than {name}", made.model);
                }
                if !fits {
                    prop_assert!(taken.window_tokens >= other.window_tokens, "{name} is larger than {}", made.model);
                }
            }
        }

        #[test]
        fn a_wish_that_a_capable_model_meets_is_met(models in models(), difficulty in difficulty()) {
            let needed = Capability::needed_for(difficulty);
            for (name, facts) in models.iter().filter(|(_, facts)| facts.capability >= needed) {
                let input = RouteInput { wanted_model: Some(name), wanted_agent: Some(&facts.agent), ..asks(difficulty, 1_000) };
                prop_assert_eq!(&route(input, &models).unwrap().model, name);
            }
        }
    }
}
