//! Source hosting, CI, packages and tools of developers.

use crate::guard::secrets::{
    reader::{alnum, any64, dotted, hex, lower, upper, url},
    rule::{
        Part::{Lit, Open, Run},
        Rule, rule,
    },
    strength::{mixed, mixed_case, summed, varied},
};

pub(in crate::guard::secrets) const RULES: &[Rule] = &[
    // <https://github.blog/engineering/platform-security/behind-githubs-new-authentication-token-formats/>
    rule("github_token", &["ghp_", "gho_", "ghu_", "ghs_", "ghr_"], &[Open(alnum, 36)]).check(summed),
    rule("github_fine_grained_token", &["github_pat_"], &[Run(alnum, 22, 22), Lit("_"), Run(alnum, 59, 59)]),
    // <https://docs.gitlab.com/security/tokens/#token-prefixes>
    rule(
        "gitlab_token",
        &[
            "glpat-", "gldt-", "glrt-", "glrtr-", "glcbt-", "glft-", "glimt-", "glagent-", "gloas-", "glsoat-",
            "glffct-", "glwt-",
        ],
        &[Open(gitlab, 20)],
    )
    .check(varied),
    rule("gitlab_token", &["glptt-"], &[Run(hex, 40, 40)]),
    rule("gitlab_token", &["GR1348941"], &[Run(url, 20, 20)]),
    rule("bitbucket_token", &["ATBB"], &[Run(alnum, 32, 32)]).check(mixed),
    rule("atlassian_token", &["ATATT3", "ATCTT3", "ATSTT3"], &[Open(any64, 60)]),
    rule("sourcegraph_token", &["sgp_"], &[Run(hex, 40, 40)]),
    rule("sourcegraph_token", &["sgp_"], &[Run(lower, 5, 16), Lit("_"), Run(hex, 40, 40)]),
    rule("sourcegraph_token", &["slk_"], &[Run(hex, 64, 64)]),
    rule("sonarqube_token", &["squ_", "sqp_", "sqa_"], &[Run(hex, 40, 40)]),
    rule("npm_token", &["npm_"], &[Run(alnum, 36, 36)]).check(summed),
    rule("pypi_token", &["pypi-AgEI", "pypi-AgEN"], &[Open(url, 50)]),
    rule("rubygems_key", &["rubygems_"], &[Run(hex, 48, 48)]),
    rule("crates_io_token", &["cio"], &[Run(alnum, 32, 32)]).check(mixed_case),
    rule("nuget_key", &["oy2"], &[Run(lower, 43, 43)]).check(mixed),
    rule("docker_token", &["dckr_pat_", "dckr_oat_"], &[Run(url, 27, 32)]),
    rule("clojars_token", &["CLOJARS_"], &[Run(lower, 60, 60)]),
    rule(
        "packagist_token",
        &["packagist_ort_", "packagist_out_", "packagist_ack_", "packagist_uut_"],
        &[Run(hex, 40, 72)],
    ),
    rule("artifactory_key", &["AKCp"], &[Run(alnum, 69, 69)]),
    rule("artifactory_token", &["cmVmdGtu"], &[Run(alnum, 56, 56)]),
    rule("circleci_token", &["CCIPAT_", "CCIPRJ_"], &[Run(alnum, 20, 24), Lit("_"), Run(hex, 40, 40)]),
    rule("buildkite_token", &["bkua_"], &[Run(hex, 40, 40)]),
    rule("buildkite_token", &["bkct_", "bkpt_", "bkaj_"], &[Open(any64, 30)]).check(mixed),
    rule("snyk_token", &["snyk_uat.", "snyk_sat."], &[Open(dotted, 40)]),
    rule("octopus_key", &["API-"], &[Run(upper, 25, 36)]).check(mixed),
    rule(
        "harness_token",
        &["pat.", "sat."],
        &[Run(url, 22, 22), Lit("."), Run(hex, 24, 24), Lit("."), Run(alnum, 20, 20)],
    ),
    rule("teamcity_token", &["eyJ0eXAiOiAiVENWMiJ9."], &[Open(dotted, 40)]),
    rule("appveyor_token", &["v2."], &[Run(lower, 20, 20)]).check(mixed),
    rule("prefect_key", &["pnu_", "pnb_"], &[Run(alnum, 36, 36)]).check(mixed),
    rule("postman_key", &["PMAK-"], &[Run(hex, 24, 24), Lit("-"), Run(hex, 34, 34)]),
    rule("readme_key", &["rdme_"], &[Run(lower, 70, 70)]),
    rule("figma_token", &["figd_", "figo_", "figu_"], &[Run(url, 36, 48)]),
    rule("chromatic_token", &["chpt_"], &[Run(hex, 15, 40)]),
    rule("semgrep_token", &["sgp_app_"], &[Run(hex, 64, 64)]),
    rule("hex_pm_key", &["hexpm_"], &[Run(hex, 32, 32)]).check(mixed),
    rule(
        "launchdarkly_key",
        &["sdk-", "api-"],
        &[
            Run(hex, 8, 8),
            Lit("-"),
            Run(hex, 4, 4),
            Lit("-"),
            Run(hex, 4, 4),
            Lit("-"),
            Run(hex, 4, 4),
            Lit("-"),
            Run(hex, 12, 12),
        ],
    ),
    rule("statsig_key", &["secret-", "console-"], &[Run(alnum, 40, 46)]).check(mixed_case),
    rule("ngrok_key", &["ngrok_"], &[Run(alnum, 40, 60)]).check(mixed_case),
];

/// Newer ones have parts: `glpat-….01.…`.
fn gitlab(byte: u8) -> bool {
    url(byte) || byte == b'.'
}
