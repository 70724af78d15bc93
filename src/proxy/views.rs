//! What is shown of models and their prices.

use super::gateway::{Services, Snapshot};
use super::target::Target;
use crate::model::{Api, ModelView, PriceView, TargetHealth, TargetView};
use crate::routing::{ByHand, Reason, Route, Standing, State};
use std::sync::Arc;

impl Services {
    /// How all targets stand now.
    pub fn targets(&self) -> Vec<TargetHealth> {
        let now_us = self.clock.now_us();
        let target = |standing: Arc<Standing>| {
            let health = standing.health(now_us);
            TargetHealth {
                provider: standing.provider.to_string(),
                model: standing.model.to_string(),
                state: health.state.name().to_owned(),
                reason: health.reason.map(|reason| reason.name().to_owned()),
                since_us: Some(health.since_us).filter(|&since| since > 0),
                until_us: Some(health.until_us).filter(|&until| until > 0 && until < u64::MAX),
                note: health.note.map(|note| note.to_string()),
                failures: health.failures,
                window_answered: health.window.0,
                window_failed: health.window.1,
                in_flight: standing.open(),
            }
        };
        let all = self.standings.all();
        let is_gone = |(provider, model): &(Arc<str>, Arc<str>)| {
            !all.iter().any(|one| one.provider == *provider && one.model == *model)
        };
        let gone = self.standings.by_hand(now_us).into_iter().filter(|(name, _)| is_gone(name));
        let gone: Vec<_> = gone.map(|(name, by_hand)| absent(&name, &by_hand)).collect();
        let mut told: Vec<_> = all.into_iter().map(target).chain(gone).collect();
        told.sort_by(|one, other| (&one.provider, &one.model).cmp(&(&other.provider, &other.model)));
        told
    }
}

/// A target that was taken out, and that the file does not have now.
fn absent((provider, model): &(Arc<str>, Arc<str>), by_hand: &ByHand) -> TargetHealth {
    TargetHealth {
        provider: provider.to_string(),
        model: model.to_string(),
        state: State::Shut.name().to_owned(),
        reason: Some(Reason::ByHand.name().to_owned()),
        since_us: Some(by_hand.since_us),
        until_us: by_hand.until_us,
        note: Some(by_hand.reason.to_string()),
        failures: 0,
        window_answered: 0,
        window_failed: 0,
        in_flight: 0,
    }
}

impl Snapshot {
    /// What clients may ask for, and what answers it.
    pub fn models(&self) -> Vec<ModelView> {
        let target = |target: &Arc<Target>| TargetView {
            provider: target.provider_name.to_string(),
            model: target.model.to_string(),
            apis: Api::ALL.into_iter().filter(|&api| target.serves(api)).map(|api| api.name().to_owned()).collect(),
            priced: target.price.is_some(),
        };
        let model = |route: &Arc<Route<Target>>| ModelView {
            name: route.name.to_string(),
            max_attempts: route.max_attempts,
            targets: route.targets.iter().map(target).collect(),
        };
        self.routes().map(model).collect()
    }

    /// What each target costs.
    pub fn prices(&self) -> Vec<PriceView> {
        let price = |route: &Arc<Route<Target>>, target: &Arc<Target>| PriceView {
            model: route.name.to_string(),
            provider: target.provider_name.to_string(),
            target_model: target.model.to_string(),
            version: target.price.as_ref().map(|price| price.version().to_string()),
            price: target.price.as_ref().map(|price| price.describe()),
        };
        self.routes().flat_map(|route| route.targets.iter().map(move |target| price(route, target))).collect()
    }

    fn routes(&self) -> impl Iterator<Item = &Arc<Route<Target>>> {
        self.table.names().iter().filter_map(|name| self.table.find(name))
    }
}
