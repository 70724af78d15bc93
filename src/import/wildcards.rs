//! Models whose name holds a `*` → the models that it stands for.
//!
//! Here each model has a line of its own, so that it has a price and limits before it is asked for. Facts:
//! <https://docs.litellm.ai/docs/wildcard_routing>.

use super::Listed;
use super::desk::{Desk, fit_name};
use super::kinds::whose;
use super::models::{Models, Pattern};
use std::collections::BTreeSet;

/// Adds the models that the patterns stand for: those that keys, teams and fallbacks name, and those that are known of
/// the provider. The pattern with the longest name goes first, as it is the closest.
pub(super) fn expand(models: &mut Models, mentioned: &BTreeSet<String>, known: Listed<'_>, desk: &mut Desk) {
    let mut patterns = std::mem::take(&mut models.patterns);
    patterns.sort_by_key(|pattern| std::cmp::Reverse(pattern.name.len()));
    let exact: BTreeSet<String> = models.models.iter().map(|model| model.name.clone()).collect();
    let mut of_pattern: BTreeSet<(String, String)> = BTreeSet::new();
    for pattern in &patterns {
        let mut count = 0;
        for (name, stands_for) in names(pattern, mentioned, known) {
            // A deployment of the same pattern is one more target; of a wider one it is another thing.
            let owner = of_pattern.iter().find(|(known, _)| *known == name).map(|(_, pattern)| pattern.clone());
            let taken = exact.contains(&name) || owner.is_some_and(|owner| owner != pattern.name);
            if taken || models.is_word(&name) || fit_name(&name) != name || name.contains('*') {
                continue;
            }
            let added = match pattern.known {
                Some(_) => models.add_of(pattern, &name, &pattern.model.replace('*', &stands_for), None, desk),
                None => whose(&stands_for, None, false)
                    .is_some_and(|(known, model)| models.add_of(pattern, &name, model, Some(known), desk)),
            };
            if added {
                count += 1;
                of_pattern.insert((name, pattern.name.clone()));
            }
        }
        let what = match count {
            0 => "a name with `*` stands for nothing here: write a line for each model that is to be called".to_owned(),
            _ => format!(
                "a name with `*` became {count} models; one that is to be called besides needs a line of its own"
            ),
        };
        desk.note(&pattern.path, what);
    }
}

/// The names that `pattern` stands for, and what the `*` is in each.
fn names(pattern: &Pattern, mentioned: &BTreeSet<String>, known: Listed<'_>) -> Vec<(String, String)> {
    let (begin, end) = pattern.name.split_once('*').unwrap_or((&pattern.name, ""));
    let mut found: Vec<(String, String)> = mentioned
        .iter()
        .filter_map(|name| {
            let middle = name.strip_prefix(begin)?.strip_suffix(end)?;
            (!middle.is_empty()).then(|| (name.clone(), middle.to_owned()))
        })
        .collect();
    let catalogue = pattern.known.map(|known| known.catalogue).filter(|name| !name.is_empty());
    // Of a pattern such as `*-eu` or of one that always sends the same model nothing is known.
    if let (Some(catalogue), Some((sent, ""))) = (catalogue, pattern.model.split_once('*')) {
        for model in known(catalogue) {
            let Some(middle) = model.strip_prefix(sent).filter(|middle| !middle.is_empty()) else { continue };
            let name = format!("{begin}{middle}{end}");
            if !found.iter().any(|(known, _)| *known == name) {
                found.push((name, middle.to_owned()));
            }
        }
    }
    found
}
