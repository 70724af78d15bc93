//! Money budgets where a price is missing: refused by `check`, so that no request has to be.

use super::target::Target;
use crate::config::{Allowed, Budget, Config, ConfigError, Mode, Rules, Unit};
use crate::routing::Route;

/// Every budget in dollars that enforces and whose requests may go to a target without a price.
pub fn budgets(config: &Config, routes: &[Route<Target>]) -> Vec<ConfigError> {
    let mut errors = Vec::new();
    let mut look = |path: &str, rules: &Rules, concerns: &dyn Fn(&Route<Target>, &Target) -> bool| {
        for (index, budget) in rules.budgets.iter().enumerate().filter(|(_, budget)| needs_prices(budget)) {
            let targets = routes.iter().flat_map(|route| route.targets.iter().map(move |target| (route, target)));
            let without = targets.filter(|(route, target)| target.price.is_none() && concerns(route, target));
            errors
                .extend(without.map(|(route, target)| told(&format!("{path}budgets[{index}]"), budget, route, target)));
        }
    };
    look("", &config.rules, &|_, _| true);
    for (name, team) in &config.teams {
        look(&format!("teams.{name}."), &team.rules, &|route, _| team.models.contains(&route.name));
    }
    for (index, key) in config.keys.iter().enumerate() {
        let team = config.teams.get(&key.team).map_or(&Allowed::All, |team| &team.models);
        let may = |route: &Route<Target>, _: &Target| key.models.contains(&route.name) && team.contains(&route.name);
        look(&format!("keys[{index}]."), &key.rules, &may);
    }
    for (name, model) in &config.models {
        look(&format!("models.{name}."), &model.rules, &|route, _| route.name == *name);
    }
    for (name, provider) in &config.providers {
        look(&format!("providers.{name}."), &provider.rules, &|_, target| target.provider_name == *name);
    }
    errors
}

fn needs_prices(budget: &Budget) -> bool {
    budget.unit == Unit::Usd && budget.mode == Mode::Enforce
}

fn told(path: &str, budget: &Budget, route: &Route<Target>, target: &Target) -> ConfigError {
    let message = format!(
        "budget `{}` is in dollars, and model `{}` may go to `{target:?}`, whose price is not known; set `prices`, \
         `catalogue` or `price_as`, or count the budget in `tokens`",
        budget.id, route.name
    );
    ConfigError { file: None, line: None, path: path.to_owned(), message }
}
