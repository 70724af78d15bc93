//! What is shown of models and their prices.

use super::gateway::{Services, Snapshot};
use super::target::Target;
use crate::model::{Api, ModelView, PriceView, TargetHealth, TargetView};
use crate::routing::{Route, Standing};
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
        self.standings.all().into_iter().map(target).collect()
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
