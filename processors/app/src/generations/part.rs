//! `rebuild` of some documents: those of the live generation that are not what their log says are
//! made anew where they stand, and no generation is begun.

use std::collections::BTreeSet;

use anyhow::Result;
use readmill_core::Key;
use readmill_engine::roster::Roster;
use readmill_engine::verify::Scope;

use super::begin::Print;
use super::case::Case;
use super::registrar::Standing;
use crate::cli::{PartArgs, RebuildArgs, VerifyArgs};
use crate::config;
use crate::exit::{Exit, Failure};
use crate::verify::{keys_in, make_anew};

/// Which documents are meant; none where all are.
///
/// # Errors
/// When a file of keys cannot be read, or has none.
pub fn scope(part: &PartArgs) -> Result<Option<Scope>> {
    let PartArgs { keys, keys_file, key_prefix, key_range, .. } = part;
    if let Some(prefix) = key_prefix {
        return Ok(Some(Scope::Prefix(prefix.clone())));
    }
    if let Some((from, to)) = key_range.clone() {
        return Ok(Some(Scope::Range { from, to }));
    }
    let keys: BTreeSet<Key> = match keys_file {
        Some(file) => keys_in(file)?,
        None if keys.is_empty() => return Ok(None),
        None => keys.iter().filter(|key| !key.is_empty()).map(|key| Key(key.clone())).collect(),
    };
    if keys.is_empty() {
        let told = "no key was named";
        return Err(Failure::new(Exit::Usage, told, "name one, as `readmill get` takes it").into());
    }
    Ok(Some(Scope::Keys(keys)))
}

/// Makes them anew.
///
/// # Errors
/// When a service does not answer or refuses, or the live generation was made by another fold.
pub async fn make(case: Case, (scope, args): (Scope, RebuildArgs)) -> Result<Exit> {
    let Standing { roster, .. } = case.standing().await?;
    refuse_another_fold(&case.model, &roster)?;
    let model = case.numbered(roster.live);
    let RebuildArgs { place, part, json, .. } = args;
    let PartArgs { dry_run, documents_only, values, report, dir, rest_limit, .. } = part;
    let args = VerifyArgs {
        model: place.model,
        config: place.by.file()?.to_owned(),
        generation: Some(roster.live),
        against: None,
        sample: None,
        seed: None,
        keys: None,
        prefix: None,
        ignore: Vec::new(),
        tolerance: Vec::new(),
        values,
        repair: !dry_run,
        dir,
        rest_limit,
        report,
        json,
    };
    make_anew(case.config, model, (scope, !documents_only), args).await
}

/// Nothing of one fold is ever written into a generation of another.
fn refuse_another_fold(model: &config::Model, roster: &Roster) -> Result<(), Failure> {
    let name = model.row.name;
    let Some(live) = roster.generation(roster.live) else { return Ok(()) };
    let ours = readmill_models::visit(name, Print(model));
    if ours.as_ref() == Some(&live.fingerprint) {
        return Ok(());
    }
    let difference = ours.map(|ours| live.fingerprint.difference(&ours)).unwrap_or_default();
    let told = format!(
        "generation {} of {name} was folded otherwise: here it would be {difference}",
        roster.live
    );
    let hint = format!("make a generation of this fold: `readmill rebuild {name}` without keys");
    Err(Failure::new(Exit::Usage, told, hint))
}
