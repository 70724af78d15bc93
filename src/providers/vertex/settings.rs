//! The settings of kind `vertex`.

use super::account::{Account, Token};
use super::identity::{Aside, Identity};
use super::tokens::Tokens;
use crate::{
    config::{self, ConfigError},
    providers::endpoint::{endpoint, is_private},
};
use arc_swap::ArcSwapOption;
use http::HeaderValue;
use std::env;
use std::fs;
use std::path::Path;
use std::sync::Arc;

/// As written in the file.
#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Settings {
    /// Its id; else that of the credentials' file or of the environment.
    #[serde(default)]
    project: Option<String>,
    /// A region, `us`, `eu` or `global`.
    #[serde(default)]
    location: Option<String>,
    /// Instead of the location's own host; with or without `/v1` at its end.
    #[serde(default)]
    base_url: Option<String>,
    /// JSON of a service account, or of a user's login.
    #[serde(default)]
    credentials_file: Option<String>,
    /// What would stand in that file.
    #[serde(default)]
    credentials_json: Option<String>,
    /// `metadata`: no file is looked for.
    #[serde(default)]
    credentials: Way,
    /// Instead of the machine's own metadata service.
    #[serde(default)]
    metadata_url: Option<String>,
}

/// The values of `credentials`.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
enum Way {
    /// What the settings name; else the file of GOOGLE_APPLICATION_CREDENTIALS, else that of `gcloud auth
    /// application-default login`, else the metadata service
    /// (<https://docs.cloud.google.com/docs/authentication/application-default-credentials>).
    #[default]
    Auto,
    /// A file, as the settings or the environment tell.
    File,
    /// The metadata service of Google's machines.
    Metadata,
}

pub(super) fn read(provider: &config::Provider) -> Result<Account, ConfigError> {
    read_with(provider, &|name| env::var(name).ok())
}

type Env<'e> = dyn Fn(&str) -> Option<String> + 'e;

/// What the settings leave out the environment may tell.
pub(super) fn read_with(provider: &config::Provider, env: &Env<'_>) -> Result<Account, ConfigError> {
    let section = &provider.settings;
    let settings: Settings = section.read()?;
    let env = |name: &str| env(name).filter(|value| !value.is_empty());
    let wrong = |key: &str, why: &str| section.error(key, why.to_owned());
    let found = identity(&settings, section, &env)?;
    let location = settings.location.clone().or_else(|| env("GOOGLE_CLOUD_LOCATION"));
    let location = location.unwrap_or_else(|| "global".to_owned());
    if location.is_empty() || !location.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-') {
        return Err(wrong("location", "is no location; write it as `us-central1`, `eu` or `global`"));
    }
    let project = settings.project.clone().or_else(|| env("GOOGLE_CLOUD_PROJECT")).or(found.aside.project);
    let project = project.or_else(|| found.aside.quota_project.clone());
    let project = project.ok_or_else(|| wrong("project", "is missing; write the id of your Google Cloud project"))?;
    if project.is_empty() || !project.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-:.".contains(&byte)) {
        return Err(wrong("project", "is no id of a project"));
    }
    let base_url = settings.base_url.clone().unwrap_or_else(|| own_host(&location));
    let mut endpoint = endpoint(&base_url).map_err(|why| section.error("base_url", why))?;
    if !["/v1", "/v1beta1"].iter().any(|version| endpoint.base_path.ends_with(version)) {
        endpoint.base_path = format!("{}/v1", endpoint.base_path).into();
    }
    let quota_project = found.aside.quota_project.map(|project| HeaderValue::try_from(project).ok());
    let quota_project = quota_project.map(|project| {
        project.ok_or_else(|| wrong(found.key, "has a `quota_project_id` that no HTTP header can carry"))
    });
    let token: Arc<ArcSwapOption<Token>> = Arc::new(ArcSwapOption::empty());
    let feed = Arc::new(Tokens::new(&provider.name, found.key, found.identity, Arc::clone(&token)));
    let base = format!("{}/projects/{project}/locations/{location}", endpoint.base_path);
    Ok(Account { endpoint, base, token, quota_project: quota_project.transpose()?, feed })
}

/// The host of `location`
/// (<https://platform.claude.com/docs/en/build-with-claude/claude-on-vertex-ai>, "Global, multi-region, and regional
/// endpoints"; the same for Gemini).
fn own_host(location: &str) -> String {
    match location {
        "global" => "https://aiplatform.googleapis.com".to_owned(),
        "us" | "eu" => format!("https://aiplatform.{location}.rep.googleapis.com"),
        region => format!("https://{region}-aiplatform.googleapis.com"),
    }
}

/// Who we are, and the key that told it.
struct Found {
    key: &'static str,
    identity: Identity,
    aside: Aside,
}

fn identity(settings: &Settings, section: &config::Section, env: &Env<'_>) -> Result<Found, ConfigError> {
    let wrong = |key: &str, why: String| section.error(key, why);
    let named = settings.credentials_file.as_ref().map(|_| "credentials_file");
    let named = named.or_else(|| settings.credentials_json.as_ref().map(|_| "credentials_json"));
    match (settings.credentials, named) {
        (Way::Metadata, Some(key)) => {
            return Err(wrong(key, "does not go with `credentials: metadata`; remove one of the two".to_owned()));
        }
        (Way::Auto | Way::File, Some(_))
            if settings.credentials_file.is_some() && settings.credentials_json.is_some() =>
        {
            return Err(wrong("credentials_file", "stands beside `credentials_json`; set one of the two".to_owned()));
        }
        _ => {}
    }
    if let Some(text) = &settings.credentials_json {
        return of_text("credentials_json", text).map_err(|why| wrong("credentials_json", why));
    }
    // With whose word it is: who did not set the key looks for the mistake elsewhere.
    let told = |by: &'static str, path: String| (by, path);
    let of_env = || env("GOOGLE_APPLICATION_CREDENTIALS").map(|path| told("of GOOGLE_APPLICATION_CREDENTIALS ", path));
    let of_gcloud = || {
        let path = format!("{}/.config/gcloud/application_default_credentials.json", env("HOME")?);
        Path::new(&path).is_file().then(|| told("of `gcloud` ", path))
    };
    let file = match settings.credentials {
        Way::Metadata => None,
        Way::Auto | Way::File => {
            settings.credentials_file.clone().map(|path| told("", path)).or_else(of_env).or_else(of_gcloud)
        }
    };
    match (file, settings.credentials) {
        (Some((by, path)), _) => {
            let text = fs::read_to_string(&path).map_err(|error| format!("cannot be read: {error}"));
            let found = text.and_then(|text| of_text("credentials_file", &text));
            let key = if by.is_empty() { "credentials_file" } else { "credentials" };
            found.map_err(|why| wrong(key, format!("{by}`{path}` {why}")))
        }
        (None, Way::File) => Err(wrong(
            "credentials_file",
            "is missing, and neither GOOGLE_APPLICATION_CREDENTIALS nor `gcloud` tells of one".to_owned(),
        )),
        (None, Way::Auto | Way::Metadata) => {
            let of_env = || env("GCE_METADATA_HOST").map(|host| format!("http://{host}"));
            let base = settings.metadata_url.clone().or_else(of_env);
            let base = base.unwrap_or_else(|| "http://metadata.google.internal".to_owned());
            endpoint(&base).map_err(|why| wrong("metadata_url", why))?;
            let identity = Identity::Machine(base.trim_end_matches('/').to_owned());
            Ok(Found { key: "credentials", identity, aside: Aside::default() })
        }
    }
}

/// What `text` says; an error tells what is wrong with it.
fn of_text(key: &'static str, text: &str) -> Result<Found, String> {
    let (identity, aside) = Identity::of_file(text)?;
    let token_uri = match &identity {
        Identity::Account(account) => &account.token_uri,
        Identity::User(user) => &user.token_uri,
        Identity::Machine(base) => base,
    };
    // What is asked for there with a secret must not be read on the way.
    if !token_uri.parse().is_ok_and(|uri| is_private(&uri)) {
        return Err("has a `token_uri` that is no `https` URL".to_owned());
    }
    Ok(Found { key, identity, aside })
}
