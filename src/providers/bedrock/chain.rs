//! Who we are: in the one way that the settings name, else by AWS's own order of what the machine has to offer.

use super::credentials::{Credentials, File, Keys};
use super::fetched::Asked;
use super::metadata::{Container, INSTANCE_BASE, INSTANCE_BASE_V6, Instance};
use super::settings::Settings;
use super::web_identity::{WebIdentity, own_sts};
use crate::{
    config::ConfigError,
    providers::{
        endpoint::{endpoint, is_private},
        mask::Key,
    },
};
use http::Uri;
use std::path::Path;
use std::sync::Arc;

/// The values of `credentials`.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Way {
    /// What the settings name; else the first of these that there is: environment, web identity, shared file, container,
    /// instance (<https://docs.aws.amazon.com/sdkref/latest/guide/standardized-credentials.html>).
    #[default]
    Auto,
    /// `api_key`, or `access_key_id` and `secret_access_key`.
    Static,
    /// AWS_BEARER_TOKEN_BEDROCK, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY.
    Env,
    /// A shared credentials file.
    File,
    /// A role that is assumed with a token in a file.
    WebIdentity,
    /// ECS, EKS Pod Identity.
    Container,
    /// EC2.
    Instance,
}

impl Way {
    const fn name(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Static => "static",
            Self::Env => "env",
            Self::File => "file",
            Self::WebIdentity => "web_identity",
            Self::Container => "container",
            Self::Instance => "instance",
        }
    }
}

/// Credentials that are at hand, or whom to ask for them.
pub(super) enum Found {
    Held(Credentials),
    Asked(Asked),
}

/// How a mistake is told: the key, and what is wrong.
pub(super) type Fault<'f> = dyn Fn(&str, &str) -> ConfigError + 'f;

/// Looks where `settings` say, and where they say nothing, where the environment does.
pub(super) struct Chain<'a> {
    pub(super) settings: &'a Settings,
    pub(super) region: &'a str,
    pub(super) env: &'a dyn Fn(&str) -> Option<String>,
    pub(super) fault: &'a Fault<'a>,
}

impl Chain<'_> {
    /// # Errors
    ///
    /// With the key that is wrong, and what to do.
    pub(super) fn find(&self) -> Result<Found, ConfigError> {
        let way = self.way()?;
        let none = |key: &str, what: &str| (self.fault)(key, what);
        match way {
            Way::Static => self.fixed().map(Found::Held),
            Way::Env => self.of_environment().map(Found::Held).ok_or_else(|| {
                none(
                    "credentials",
                    "is `env`, and the environment has neither AWS_BEARER_TOKEN_BEDROCK nor AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY",
                )
            }),
            Way::File => self.file().map(Found::Held),
            Way::WebIdentity => self.web_identity().map(Found::Asked),
            Way::Container => self.container()?.map(Found::Asked).ok_or_else(|| {
                none(
                    "credentials",
                    "is `container`, and the environment has neither AWS_CONTAINER_CREDENTIALS_RELATIVE_URI nor AWS_CONTAINER_CREDENTIALS_FULL_URI",
                )
            }),
            Way::Instance => self.instance().map(Found::Asked),
            Way::Auto => self.auto(),
        }
    }

    /// The way that `credentials` or another key names.
    fn way(&self) -> Result<Way, ConfigError> {
        let settings = self.settings;
        let fixed = [&settings.access_key_id, &settings.secret_access_key, &settings.session_token];
        let fixed = ["access_key_id", "secret_access_key", "session_token"]
            .into_iter()
            .zip(fixed)
            .find_map(|(key, value)| value.is_some().then_some(key));
        let identity =
            [("role_arn", &settings.role_arn), ("web_identity_token_file", &settings.web_identity_token_file)];
        let identity = identity.into_iter().find_map(|(key, value)| value.is_some().then_some(key));
        let named = [
            (Way::Static, settings.api_key.as_ref().map(|_| "api_key")),
            (Way::Static, fixed),
            (Way::File, settings.credentials_file.as_ref().map(|_| "credentials_file")),
            (Way::WebIdentity, identity),
        ];
        let named: Vec<_> = named.into_iter().filter_map(|(way, key)| Some((way, key?))).collect();
        let way = match (settings.credentials, &*named) {
            (_, [_, _, ..]) => {
                let keys: Vec<_> = named.iter().map(|(_, key)| format!("`{key}`")).collect();
                let why = format!("names several credentials: keep one of {}", keys.join(", "));
                return Err((self.fault)("", &why));
            }
            (Way::Auto, [(way, _)]) => *way,
            (way, [(other, key)]) if way != *other => {
                let why = format!("does not go with `credentials: {}`; remove one of the two", way.name());
                return Err((self.fault)(key, &why));
            }
            (way, _) => way,
        };
        if settings.profile.is_some() && way != Way::File {
            return Err((self.fault)("profile", "has no `credentials_file` to stand in"));
        }
        Ok(way)
    }

    fn auto(&self) -> Result<Found, ConfigError> {
        if let Some(held) = self.of_environment() {
            return Ok(Found::Held(held));
        }
        if (self.env)("AWS_ROLE_ARN").is_some() && (self.env)("AWS_WEB_IDENTITY_TOKEN_FILE").is_some() {
            return self.web_identity().map(Found::Asked);
        }
        // A file without keys of the profile may hold other things, such as a single sign-on.
        if let Some(path) = self.shared_file().filter(|path| Path::new(path).is_file()) {
            match File::open(path.clone().into(), self.profile()) {
                Ok(file) => return Ok(Found::Held(Credentials::File(file))),
                Err(error) => tracing::info!(path, %error, "the shared credentials file of AWS is passed over"),
            }
        }
        if let Some(asked) = self.container()? {
            return Ok(Found::Asked(asked));
        }
        if (self.env)("AWS_EC2_METADATA_DISABLED").is_some_and(|word| word.eq_ignore_ascii_case("true")) {
            let why = "has no credentials: set `api_key`, `access_key_id` and `secret_access_key`, or \
                       `credentials_file`, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY in the environment";
            return Err((self.fault)("", why));
        }
        self.instance().map(Found::Asked)
    }

    fn fixed(&self) -> Result<Credentials, ConfigError> {
        let Settings { api_key, access_key_id, secret_access_key, session_token, .. } = self.settings;
        if let Some(key) = api_key {
            return bearer(key)
                .ok_or_else(|| (self.fault)("api_key", "is empty or holds characters that no HTTP header can carry"));
        }
        let given = |key: &str, value: &Option<String>| {
            let value = value.clone().filter(|value| !value.is_empty());
            value.ok_or_else(|| (self.fault)(key, "is missing; an access key has an id and a secret"))
        };
        let (id, secret) = (given("access_key_id", access_key_id)?, given("secret_access_key", secret_access_key)?);
        Ok(Credentials::Fixed(Arc::new(Keys::new(&id, &secret, session_token.as_deref()))))
    }

    /// An API key comes before an access key there too, as in AWS's own SDKs.
    fn of_environment(&self) -> Option<Credentials> {
        if let Some(bearer) = (self.env)("AWS_BEARER_TOKEN_BEDROCK").as_deref().and_then(bearer) {
            return Some(bearer);
        }
        let (id, secret) = ((self.env)("AWS_ACCESS_KEY_ID")?, (self.env)("AWS_SECRET_ACCESS_KEY")?);
        let token = (self.env)("AWS_SESSION_TOKEN");
        Some(Credentials::Fixed(Arc::new(Keys::new(&id, &secret, token.as_deref()))))
    }

    fn file(&self) -> Result<Credentials, ConfigError> {
        let path = self.settings.credentials_file.clone().or_else(|| self.shared_file());
        let path = path.ok_or_else(|| (self.fault)("credentials_file", "is missing, and HOME tells of none"))?;
        File::open(path.clone().into(), self.profile()).map(Credentials::File).map_err(|error| {
            let message = format!("cannot be read: `{path}`: {error}");
            (self.fault)("credentials_file", &message)
        })
    }

    /// Where AWS's tools have theirs.
    fn shared_file(&self) -> Option<String> {
        let of_home = || (self.env)("HOME").map(|home| format!("{home}/.aws/credentials"));
        (self.env)("AWS_SHARED_CREDENTIALS_FILE").or_else(of_home)
    }

    fn profile(&self) -> String {
        let asked = self.settings.profile.clone();
        // The environment's profile is one of the environment's file.
        let of_env = || (self.env)("AWS_PROFILE").filter(|_| self.settings.credentials_file.is_none());
        asked.or_else(of_env).unwrap_or_else(|| "default".to_owned())
    }

    fn web_identity(&self) -> Result<Asked, ConfigError> {
        let given = |key: &str, value: &Option<String>, name: &str| {
            let value = value.clone().or_else(|| (self.env)(name)).filter(|value| !value.is_empty());
            value.ok_or_else(|| (self.fault)(key, &format!("is missing, and so is {name} in the environment")))
        };
        let role_arn = given("role_arn", &self.settings.role_arn, "AWS_ROLE_ARN")?;
        let file = &self.settings.web_identity_token_file;
        let token_file = given("web_identity_token_file", file, "AWS_WEB_IDENTITY_TOKEN_FILE")?.into();
        let session_name = (self.env)("AWS_ROLE_SESSION_NAME").unwrap_or_else(|| "weighbridge".to_owned());
        let sts = self.settings.sts_url.clone().or_else(|| (self.env)("AWS_ENDPOINT_URL_STS"));
        let sts = sts.unwrap_or_else(|| own_sts(self.region));
        endpoint(&sts).map_err(|why| (self.fault)("sts_url", &why))?;
        let sts: Uri = sts.parse().map_err(|_| (self.fault)("sts_url", "is no URL"))?;
        // The token goes there, and keys come back.
        if !is_private(&sts) {
            let why = "is no `https` URL (or AWS_ENDPOINT_URL_STS is none); without TLS only this machine is asked";
            return Err((self.fault)("sts_url", why));
        }
        Ok(Asked::WebIdentity(WebIdentity { sts, role_arn, session_name, token_file }))
    }

    fn container(&self) -> Result<Option<Asked>, ConfigError> {
        let told = Container::of_environment(self.env).transpose();
        Ok(told.map_err(|why| (self.fault)("credentials", &why))?.map(Asked::Container))
    }

    fn instance(&self) -> Result<Asked, ConfigError> {
        let of_mode = || {
            let v6 = (self.env)("AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE").is_some_and(|mode| mode == "IPv6");
            if v6 { INSTANCE_BASE_V6 } else { INSTANCE_BASE }.to_owned()
        };
        let base = self.settings.metadata_url.clone().or_else(|| (self.env)("AWS_EC2_METADATA_SERVICE_ENDPOINT"));
        let base = base.unwrap_or_else(of_mode);
        endpoint(&base).map_err(|why| (self.fault)("metadata_url", &why))?;
        Ok(Asked::Instance(Instance { base: base.trim_end_matches('/').to_owned() }))
    }
}

fn bearer(key: &str) -> Option<Credentials> {
    let key = Key::new(Some(key.to_owned()));
    let header = key.header("Bearer ").ok()??;
    Some(Credentials::Bearer { key, header })
}
