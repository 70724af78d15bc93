//! Model providers, and what surrounds them. The gateway's own keys too.

use crate::guard::secrets::{
    reader::{alnum, alpha, any64, hex, lower, url, uuid},
    rule::{
        Part::{Lit, Open, Run},
        Rule, rule,
    },
    strength::{mixed, mixed_case, varied},
};

pub(in crate::guard::secrets) const RULES: &[Rule] = &[
    // As `auth::new_key` makes them.
    rule("weighbridge_key", &["wb-"], &[Run(url, 43, 43)]).check(mixed_case),
    rule("openai_key", &["sk-proj-", "sk-svcacct-", "sk-admin-", "sk-service-"], &[Open(url, 20)]).check(mixed),
    rule("openai_key", &["sk-"], &[Run(alnum, 48, 51)]).check(mixed),
    rule("anthropic_key", &["sk-ant-"], &[Open(url, 24)]).check(mixed),
    rule("openrouter_key", &["sk-or-v1-", "sk-or-"], &[Open(url, 40)]).check(mixed),
    rule("helicone_key", &["sk-helicone-"], &[Open(url, 20)]).check(mixed),
    rule("langfuse_key", &["sk-lf-"], &[Run(uuid, 36, 36)]),
    // DeepSeek, DashScope, Moonshot, LiteLLM and others.
    rule("model_provider_key", &["sk-"], &[Run(alnum, 20, 47)]).check(mixed),
    rule("groq_key", &["gsk_"], &[Run(alnum, 48, 56)]).check(mixed),
    rule("perplexity_key", &["pplx-"], &[Run(alnum, 40, 64)]),
    rule("replicate_token", &["r8_"], &[Run(alnum, 37, 37)]).check(mixed),
    rule("xai_key", &["xai-"], &[Run(alnum, 70, 90)]),
    rule("cerebras_key", &["csk-"], &[Run(alnum, 44, 52)]).check(mixed),
    rule("fireworks_key", &["fw_"], &[Run(alnum, 20, 26)]).check(mixed_case),
    rule("together_key", &["tgp_v1_"], &[Run(url, 40, 46)]),
    rule("nvidia_key", &["nvapi-"], &[Run(url, 60, 70)]),
    rule("huggingface_token", &["hf_"], &[Run(alnum, 34, 40)]).check(random_case),
    rule("huggingface_token", &["api_org_"], &[Run(alpha, 34, 34)]),
    rule("google_ai_key", &["AQ.A"], &[Open(url, 40)]).check(mixed),
    rule("langsmith_key", &["lsv2_pt_", "lsv2_sk_"], &[Run(hex, 32, 32), Lit("_"), Run(hex, 10, 10)]),
    rule("wandb_key", &["wandb_v1_"], &[Open(url, 40)]).check(mixed),
    rule("pinecone_key", &["pcsk_"], &[Open(url, 50)]).check(mixed),
    rule("voyage_key", &["pa-"], &[Run(url, 43, 43)]).check(mixed_case),
    rule("jina_key", &["jina_"], &[Run(url, 50, 70)]).check(mixed),
    rule("tavily_key", &["tvly-"], &[Open(url, 28)]).check(mixed),
    rule("firecrawl_key", &["fc-"], &[Run(hex, 32, 32)]).check(mixed),
    rule("brave_search_key", &["BSA"], &[Run(url, 28, 28)]).check(mixed_case),
    rule("e2b_key", &["e2b_"], &[Run(hex, 40, 40)]),
    rule("runpod_key", &["rpa_"], &[Run(alnum, 40, 48)]).check(mixed),
    rule("modal_token", &["ak-", "as-"], &[Run(alnum, 22, 22)]).check(mixed_case),
    rule("anyscale_key", &["esecret_"], &[Run(alnum, 22, 30)]).check(mixed),
    rule("llamacloud_key", &["llx-"], &[Run(alnum, 44, 52)]).check(mixed),
    rule("elevenlabs_key", &["sk_"], &[Run(hex, 48, 48)]).check(mixed),
    rule("cartesia_key", &["sk_car_"], &[Run(alnum, 18, 30)]).check(mixed),
    rule("novita_key", &["sk_"], &[Run(url, 43, 43)]).check(mixed_case),
    rule("friendli_token", &["flp_"], &[Run(alnum, 40, 60)]).check(mixed),
    rule("predibase_token", &["pb_"], &[Run(url, 22, 22)]).check(mixed_case),
    rule("nomic_key", &["nk-"], &[Run(url, 43, 43)]).check(mixed_case),
    rule("voiceflow_key", &["VF.DM."], &[Run(hex, 24, 24), Lit("."), Run(alnum, 16, 16)]),
    rule("luma_key", &["luma-"], &[Run(uuid, 36, 36)]),
    rule("dify_key", &["app-", "dataset-"], &[Run(alnum, 24, 24)]).check(mixed_case),
    rule("cursor_key", &["crsr_", "key_"], &[Run(hex, 64, 64)]).check(varied),
    rule("langdock_key", &["sk-langdock-"], &[Open(any64, 20)]).check(mixed),
    rule("apify_token", &["apify_api_"], &[Run(alnum, 36, 40)]),
    rule("roboflow_key", &["rf_"], &[Run(lower, 20, 40)]).check(mixed),
];

/// Letters of both kinds, digits or none.
fn random_case(body: &[u8]) -> bool {
    varied(body) && body.iter().any(u8::is_ascii_lowercase) && body.iter().any(u8::is_ascii_uppercase)
}
