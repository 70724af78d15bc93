//! For each dialect and each thing that it has a word for, a request that says it.

use crate::model::{Api, Feature};

/// A request that uses a feature.
pub struct Probe {
    pub feature: Feature,
    pub api: Api,
    /// The dialect's word, for the README.
    pub says: &'static str,
    pub body: String,
}

/// What must be found in what is sent, in one of these spellings, if the feature is carried.
pub fn marks(feature: Feature) -> &'static [&'static str] {
    use Feature as F;
    match feature {
        F::ImageInline => &["SU1BR0U="],
        F::ImageDetail => &[r#""detail":"low""#, "MEDIA_RESOLUTION_LOW"],
        F::ImageUrl => &["example.com/mark.png"],
        F::DocumentInline => &["UERG"],
        F::DocumentUrl => &["example.com/mark.pdf"],
        F::FileId => &["file-mark"],
        F::AudioInput => &["QVVESU8="],
        F::VideoInput => &["VklERU8="],
        F::RichToolResult => &["UklDSA=="],
        F::FailedToolResult => &[r#""is_error":true"#, r#""status":"error""#, r#"{"error":"no"}"#],
        F::ForcedTool => &[r#""tool_choice":"required""#, r#""any""#, r#""ANY""#, r#""REQUIRED""#],
        F::ParallelToolControl => &["parallel_tool_calls", "disable_parallel_tool_use"],
        F::StrictTool => &[r#""strict":true"#, r#""strict_tools":true"#],
        F::CustomTool => &["markcustom"],
        F::HostedTool => &["web_search", "googleSearch"],
        F::JsonObject => &["json_object", "application/json", "wb_json_answer"],
        F::JsonSchema => &["markprop"],
        F::Temperature => &["0.4375"],
        F::TopP => &["0.5625"],
        F::TopK => &[":37"],
        F::Penalties => &["0.3125"],
        F::Seed => &["424242"],
        F::LogitBias => &["4242"],
        F::StopSequences => &["MARKSTOP"],
        F::Logprobs => &["logprobs", "responseLogprobs"],
        F::Choices => &[r#""n":2"#, r#""candidateCount":2"#],
        F::ReasoningEffort => {
            &["reasoning_effort", r#""thinking""#, "thinkingConfig", r#""reasoning":{"#, r#""effort""#]
        }
        F::SealedReasoning => &["MARKSEAL"],
        F::PlainReasoning => &["markthought"],
        F::AudioOutput => &["markvoice"],
        F::ImageOutput => &["IMAGE", r#""image""#],
        F::Citations => &["citations"],
        F::Prediction => &["markpred"],
        F::ServerState => &["resp_mark", "markcontainer"],
        F::Background => &["background"],
        F::SafetySettings => &["HARM_CATEGORY"],
        F::CachedContent => &["cachedContents/mark"],
        F::CacheMarkers => &["cache_control", "cachePoint", "prompt_cache_breakpoint"],
        F::CacheKey => &["markkey"],
        F::ServiceTier => &["service_tier", "serviceTier"],
        F::User => &["markuser"],
        F::Metadata => &["marklabel"],
        F::Store => &[r#""store":true"#],
        F::Verbosity => &["verbosity"],
        F::ParticipantName => &["markname"],
        F::Unknown => &["x_mark"],
    }
}

const HI: &str = r#"{"role":"user","content":"hi"}"#;
const SCHEMA: &str = r#"{"type":"object","properties":{"markprop":{"type":"string"}}}"#;

/// Each probe of each dialect.
pub fn probes() -> Vec<Probe> {
    [chat(), responses(), messages(), generate()].into_iter().flatten().collect()
}

/// What stands beside the conversation: `"a":1`.
fn beside(rest: &str) -> String {
    if rest.is_empty() { String::new() } else { format!(",{rest}") }
}

fn chat() -> Vec<Probe> {
    use Feature as F;
    let probe = |feature, says, turns: &str, rest: &str| Probe {
        feature,
        api: Api::ChatCompletions,
        says,
        body: format!(r#"{{"model":"m","messages":[{turns}]{}}}"#, beside(rest)),
    };
    let member = |feature, says, rest: &str| probe(feature, says, HI, rest);
    let part = |feature, says, part: &str| {
        let turn = format!(r#"{{"role":"user","content":[{{"type":"text","text":"hi"}},{part}]}}"#);
        probe(feature, says, &turn, "")
    };
    let tool = |more: &str| {
        format!(r#""tools":[{{"type":"function","function":{{"name":"f"{more},"parameters":{{"type":"object"}}}}}}]"#)
    };
    let image = r#"{"type":"image_url","image_url":{"url":"data:image/png;base64,SU1BR0U=","detail":"low"}}"#;
    let file = |inside: &str| format!(r#"{{"type":"file","file":{{{inside}}}}}"#);
    let call = r#"{"role":"assistant","content":null,"tool_calls":[{"id":"c1","type":"function","function":{"name":"f","arguments":"{}"}}]}"#;
    let result = |content: &str| format!(r#"{HI},{call},{{"role":"tool","tool_call_id":"c1","content":{content}}}"#);
    let thought = |inside: &str| format!(r#"{HI},{{"role":"assistant","content":"a",{inside}}},{HI}"#);
    vec![
        part(F::ImageInline, "`image_url` with `data:`", image),
        part(F::ImageDetail, "`detail`", image),
        part(F::ImageUrl, "`image_url`", r#"{"type":"image_url","image_url":{"url":"https://example.com/mark.png"}}"#),
        part(
            F::DocumentInline,
            "`file.file_data`",
            &file(r#""filename":"a.pdf","file_data":"data:application/pdf;base64,UERG""#),
        ),
        part(F::FileId, "`file.file_id`", &file(r#""file_id":"file-mark""#)),
        part(
            F::AudioInput,
            "`input_audio`",
            r#"{"type":"input_audio","input_audio":{"data":"QVVESU8=","format":"wav"}}"#,
        ),
        part(
            F::VideoInput,
            "`video_url`",
            r#"{"type":"video_url","video_url":{"url":"data:video/mp4;base64,VklERU8="}}"#,
        ),
        probe(
            F::RichToolResult,
            "parts of a `tool` message",
            &result(r#"[{"type":"image_url","image_url":{"url":"data:image/png;base64,UklDSA=="}}]"#),
            "",
        ),
        member(F::ForcedTool, "`tool_choice`", &format!(r#"{},"tool_choice":"required""#, tool(""))),
        member(
            F::ParallelToolControl,
            "`parallel_tool_calls`",
            &format!(r#"{},"parallel_tool_calls":false"#, tool("")),
        ),
        member(F::StrictTool, "`function.strict`", &tool(r#","strict":true"#)),
        member(F::CustomTool, "`custom` tools", r#""tools":[{"type":"custom","custom":{"name":"markcustom"}}]"#),
        member(F::HostedTool, "`web_search_options`", r#""web_search_options":{}"#),
        member(F::JsonObject, "`response_format`", r#""response_format":{"type":"json_object"}"#),
        member(
            F::JsonSchema,
            "`response_format`",
            &format!(r#""response_format":{{"type":"json_schema","json_schema":{{"name":"n","schema":{SCHEMA}}}}}"#),
        ),
        member(F::Temperature, "`temperature`", r#""temperature":0.4375"#),
        member(F::TopP, "`top_p`", r#""top_p":0.5625"#),
        member(F::TopK, "`top_k`", r#""top_k":37"#),
        member(F::Penalties, "`frequency_penalty`, `presence_penalty`", r#""frequency_penalty":0.3125"#),
        member(F::Seed, "`seed`", r#""seed":424242"#),
        member(F::LogitBias, "`logit_bias`", r#""logit_bias":{"4242":-7}"#),
        member(F::StopSequences, "`stop`", r#""stop":["MARKSTOP"]"#),
        member(F::Logprobs, "`logprobs`, `top_logprobs`", r#""logprobs":true,"top_logprobs":3"#),
        member(F::Choices, "`n`", r#""n":2"#),
        member(F::ReasoningEffort, "`reasoning_effort`", r#""reasoning_effort":"high","max_completion_tokens":30000"#),
        probe(F::PlainReasoning, "`reasoning_content`", &thought(r#""reasoning_content":"markthought""#), ""),
        member(
            F::AudioOutput,
            "`modalities`, `audio`",
            r#""modalities":["text","audio"],"audio":{"voice":"markvoice","format":"wav"}"#,
        ),
        member(F::ImageOutput, "`modalities`", r#""modalities":["text","image"]"#),
        member(F::Prediction, "`prediction`", r#""prediction":{"type":"content","content":"markpred"}"#),
        probe(F::ServerState, "`audio.id` of an earlier answer", &thought(r#""audio":{"id":"resp_mark"}"#), ""),
        part(F::CacheMarkers, "`cache_control`", r#"{"type":"text","text":"s","cache_control":{"type":"ephemeral"}}"#),
        member(F::CacheKey, "`prompt_cache_key`", r#""prompt_cache_key":"markkey""#),
        member(F::ServiceTier, "`service_tier`", r#""service_tier":"default""#),
        member(F::User, "`safety_identifier`, `user`", r#""user":"markuser""#),
        member(F::Metadata, "`metadata`", r#""metadata":{"marklabel":"x"}"#),
        member(F::Store, "`store`", r#""store":true"#),
        member(F::Verbosity, "`verbosity`", r#""verbosity":"low""#),
        probe(F::ParticipantName, "`name`", r#"{"role":"user","name":"markname","content":"hi"}"#, ""),
        member(F::Unknown, "any", r#""x_mark":1"#),
    ]
}

fn responses() -> Vec<Probe> {
    use Feature as F;
    let probe = |feature, says, items: &str, rest: &str| Probe {
        feature,
        api: Api::Responses,
        says,
        body: format!(r#"{{"model":"m","input":[{items}]{}}}"#, beside(rest)),
    };
    let member = |feature, says, rest: &str| probe(feature, says, HI, rest);
    let part = |feature, says, part: &str| {
        let item = format!(r#"{{"role":"user","content":[{{"type":"input_text","text":"hi"}},{part}]}}"#);
        probe(feature, says, &item, "")
    };
    let tool = r#""tools":[{"type":"function","name":"f","parameters":{"type":"object"},"strict":true}]"#;
    let image = r#"{"type":"input_image","image_url":"data:image/png;base64,SU1BR0U=","detail":"low"}"#;
    let call = r#"{"type":"function_call","call_id":"c1","name":"f","arguments":"{}"}"#;
    let rich = r#"[{"type":"input_image","image_url":"data:image/png;base64,UklDSA=="}]"#;
    vec![
        part(F::ImageInline, "`input_image` with `data:`", image),
        part(F::ImageDetail, "`detail`", image),
        part(F::ImageUrl, "`input_image`", r#"{"type":"input_image","image_url":"https://example.com/mark.png"}"#),
        part(
            F::DocumentInline,
            "`file_data`",
            r#"{"type":"input_file","filename":"a.pdf","file_data":"data:application/pdf;base64,UERG"}"#,
        ),
        part(F::DocumentUrl, "`file_url`", r#"{"type":"input_file","file_url":"https://example.com/mark.pdf"}"#),
        part(F::FileId, "`file_id`", r#"{"type":"input_file","file_id":"file-mark"}"#),
        part(
            F::AudioInput,
            "`input_audio`",
            r#"{"type":"input_audio","input_audio":{"data":"QVVESU8=","format":"wav"}}"#,
        ),
        probe(
            F::RichToolResult,
            "parts of `output`",
            &format!(r#"{HI},{call},{{"type":"function_call_output","call_id":"c1","output":{rich}}}"#),
            "",
        ),
        member(F::ForcedTool, "`tool_choice`", &format!(r#"{tool},"tool_choice":"required""#)),
        member(F::ParallelToolControl, "`parallel_tool_calls`", &format!(r#"{tool},"parallel_tool_calls":false"#)),
        member(F::StrictTool, "`strict`", tool),
        member(F::CustomTool, "`custom` tools", r#""tools":[{"type":"custom","name":"markcustom"}]"#),
        member(F::HostedTool, "tools of other types", r#""tools":[{"type":"web_search"}]"#),
        member(F::JsonObject, "`text.format`", r#""text":{"format":{"type":"json_object"}}"#),
        member(
            F::JsonSchema,
            "`text.format`",
            &format!(r#""text":{{"format":{{"type":"json_schema","name":"n","schema":{SCHEMA}}}}}"#),
        ),
        member(F::Temperature, "`temperature`", r#""temperature":0.4375"#),
        member(F::TopP, "`top_p`", r#""top_p":0.5625"#),
        member(F::Logprobs, "`top_logprobs`, `include`", r#""top_logprobs":3"#),
        member(F::ReasoningEffort, "`reasoning.effort`", r#""reasoning":{"effort":"high"},"max_output_tokens":30000"#),
        probe(
            F::PlainReasoning,
            "`reasoning` items",
            &format!(
                r#"{HI},{{"type":"reasoning","id":"rs_1","summary":[{{"type":"summary_text","text":"markthought"}}]}},{{"role":"assistant","content":"a"}},{HI}"#
            ),
            "",
        ),
        probe(
            F::Citations,
            "`annotations`",
            &format!(
                r#"{HI},{{"type":"message","id":"msg_1","status":"completed","role":"assistant","content":[{{"type":"output_text","text":"a","annotations":[{{"type":"url_citation","url":"https://example.com","title":"t","start_index":0,"end_index":1}}]}}]}},{HI}"#
            ),
            "",
        ),
        member(
            F::ServerState,
            "`previous_response_id`, `conversation`, `prompt`",
            r#""previous_response_id":"resp_mark""#,
        ),
        member(F::Background, "`background`", r#""background":true"#),
        part(
            F::CacheMarkers,
            "`prompt_cache_breakpoint`",
            r#"{"type":"input_text","text":"s","prompt_cache_breakpoint":{"mode":"explicit"}}"#,
        ),
        member(F::CacheKey, "`prompt_cache_key`", r#""prompt_cache_key":"markkey""#),
        member(F::ServiceTier, "`service_tier`", r#""service_tier":"default""#),
        member(F::User, "`safety_identifier`, `user`", r#""safety_identifier":"markuser""#),
        member(F::Metadata, "`metadata`", r#""metadata":{"marklabel":"x"}"#),
        member(F::Store, "`store`", r#""store":true"#),
        member(F::Verbosity, "`text.verbosity`", r#""text":{"verbosity":"low"}"#),
        member(F::Unknown, "any", r#""x_mark":1"#),
    ]
}

fn messages() -> Vec<Probe> {
    use Feature as F;
    let probe = |feature, says, turns: &str, rest: &str| Probe {
        feature,
        api: Api::Messages,
        says,
        body: format!(r#"{{"model":"m","max_tokens":9000,"messages":[{turns}]{}}}"#, beside(rest)),
    };
    let member = |feature, says, rest: &str| probe(feature, says, HI, rest);
    let block = |feature, says, block: &str| {
        let turn = format!(r#"{{"role":"user","content":[{{"type":"text","text":"hi"}},{block}]}}"#);
        probe(feature, says, &turn, "")
    };
    let source = |kind: &str, inside: &str| format!(r#"{{"type":"{kind}","source":{{{inside}}}}}"#);
    let base64 = |media: &str, data: &str| format!(r#""type":"base64","media_type":"{media}","data":"{data}""#);
    let tool = |more: &str| format!(r#""tools":[{{"name":"f","input_schema":{{"type":"object"}}{more}}}]"#);
    let result = |inside: &str| {
        format!(
            r#"{HI},{{"role":"assistant","content":[{{"type":"tool_use","id":"toolu_1","name":"f","input":{{}}}}]}},
            {{"role":"user","content":[{{"type":"tool_result","tool_use_id":"toolu_1",{inside}}}]}}"#
        )
    };
    vec![
        block(F::ImageInline, "`image`, `base64`", &source("image", &base64("image/png", "SU1BR0U="))),
        block(F::ImageUrl, "`image`, `url`", &source("image", r#""type":"url","url":"https://example.com/mark.png""#)),
        block(
            F::DocumentInline,
            "`document`, `base64`, `text`, `content`",
            &source("document", &base64("application/pdf", "UERG")),
        ),
        block(
            F::DocumentUrl,
            "`document`, `url`",
            &source("document", r#""type":"url","url":"https://example.com/mark.pdf""#),
        ),
        block(F::FileId, "`file_id`", &source("document", r#""type":"file","file_id":"file-mark""#)),
        probe(
            F::RichToolResult,
            "blocks of a `tool_result`",
            &result(&format!(r#""content":[{}]"#, source("image", &base64("image/png", "UklDSA==")))),
            "",
        ),
        probe(F::FailedToolResult, "`is_error`", &result(r#""is_error":true,"content":"no""#), ""),
        member(F::ForcedTool, "`tool_choice`", &format!(r#"{},"tool_choice":{{"type":"any"}}"#, tool(""))),
        member(
            F::ParallelToolControl,
            "`disable_parallel_tool_use`",
            &format!(r#"{},"tool_choice":{{"type":"auto","disable_parallel_tool_use":true}}"#, tool("")),
        ),
        member(F::StrictTool, "`strict`", &tool(r#","strict":true"#)),
        member(
            F::HostedTool,
            "tools of other types, `mcp_servers`",
            r#""tools":[{"type":"web_search_20250305","name":"web_search"}]"#,
        ),
        member(
            F::JsonSchema,
            "`output_config.format`",
            &format!(r#""output_config":{{"format":{{"type":"json_schema","schema":{SCHEMA}}}}}"#),
        ),
        member(F::Temperature, "`temperature`", r#""temperature":0.4375"#),
        member(F::TopP, "`top_p`", r#""top_p":0.5625"#),
        member(F::TopK, "`top_k`", r#""top_k":37"#),
        member(F::StopSequences, "`stop_sequences`", r#""stop_sequences":["MARKSTOP"]"#),
        member(
            F::ReasoningEffort,
            "`thinking`, `output_config.effort`",
            r#""thinking":{"type":"enabled","budget_tokens":2048}"#,
        ),
        probe(
            F::PlainReasoning,
            "`thinking` without `signature`",
            &format!(
                r#"{HI},{{"role":"assistant","content":[{{"type":"thinking","thinking":"markthought","signature":""}},{{"type":"text","text":"a"}}]}},{HI}"#
            ),
            "",
        ),
        block(
            F::Citations,
            "`citations`",
            r#"{"type":"document","source":{"type":"text","media_type":"text/plain","data":"t"},"citations":{"enabled":true}}"#,
        ),
        member(F::ServerState, "`container`", r#""container":"markcontainer""#),
        block(F::CacheMarkers, "`cache_control`", r#"{"type":"text","text":"s","cache_control":{"type":"ephemeral"}}"#),
        member(F::ServiceTier, "`service_tier`", r#""service_tier":"standard_only""#),
        member(F::User, "`metadata.user_id`", r#""metadata":{"user_id":"markuser"}"#),
        member(F::Unknown, "any", r#""x_mark":1"#),
    ]
}

fn generate() -> Vec<Probe> {
    use Feature as F;
    let probe = |feature, says, turns: &str, rest: &str| Probe {
        feature,
        api: Api::Generate,
        says,
        body: format!(r#"{{"contents":[{turns}]{}}}"#, beside(rest)),
    };
    let hi = r#"{"role":"user","parts":[{"text":"hi"}]}"#;
    let member = |feature, says, rest: &str| probe(feature, says, hi, rest);
    let config = |feature, says, inside: &str| probe(feature, says, hi, &format!(r#""generationConfig":{{{inside}}}"#));
    let part = |feature, says, part: &str| {
        probe(feature, says, &format!(r#"{{"role":"user","parts":[{{"text":"hi"}},{part}]}}"#), "")
    };
    let inline = |media: &str, data: &str| format!(r#"{{"inlineData":{{"mimeType":"{media}","data":"{data}"}}}}"#);
    let linked = |media: &str, uri: &str| format!(r#"{{"fileData":{{"mimeType":"{media}","fileUri":"{uri}"}}}}"#);
    let tool = r#""tools":[{"functionDeclarations":[{"name":"f","parameters":{"type":"OBJECT"}}]}]"#;
    let mode = |mode: &str| format!(r#"{tool},"toolConfig":{{"functionCallingConfig":{{"mode":"{mode}"}}}}"#);
    let result = |inside: &str| {
        format!(
            r#"{hi},{{"role":"model","parts":[{{"functionCall":{{"id":"c1","name":"f","args":{{}}}}}}]}},
            {{"role":"user","parts":[{{"functionResponse":{{"id":"c1","name":"f",{inside}}}}}]}}"#
        )
    };
    vec![
        part(F::ImageInline, "`inlineData`", &inline("image/png", "SU1BR0U=")),
        part(
            F::ImageDetail,
            "`mediaResolution`",
            r#"{"inlineData":{"mimeType":"image/png","data":"SU1BR0U="},"mediaResolution":{"level":"MEDIA_RESOLUTION_LOW"}}"#,
        ),
        part(F::ImageUrl, "`fileData`", &linked("image/png", "https://example.com/mark.png")),
        part(F::DocumentInline, "`inlineData`", &inline("application/pdf", "UERG")),
        part(F::DocumentUrl, "`fileData`", &linked("application/pdf", "https://example.com/mark.pdf")),
        part(
            F::FileId,
            "`fileData` of Google's Files API",
            &linked("application/pdf", "https://generativelanguage.googleapis.com/v1beta/files/file-mark"),
        ),
        part(F::AudioInput, "`inlineData`", &inline("audio/wav", "QVVESU8=")),
        part(F::VideoInput, "`inlineData`, `fileData`", &inline("video/mp4", "VklERU8=")),
        probe(
            F::RichToolResult,
            "`functionResponse.parts`",
            &result(r#""response":{"output":"r"},"parts":[{"inlineData":{"mimeType":"image/png","data":"UklDSA=="}}]"#),
            "",
        ),
        probe(F::FailedToolResult, "`response.error`", &result(r#""response":{"error":"no"}"#), ""),
        member(F::ForcedTool, "mode `ANY`", &mode("ANY")),
        member(F::HostedTool, "`googleSearch` and others", r#""tools":[{"googleSearch":{}}]"#),
        config(F::JsonObject, "`responseMimeType`", r#""responseMimeType":"application/json""#),
        config(
            F::JsonSchema,
            "`responseJsonSchema`, `responseSchema`",
            &format!(r#""responseMimeType":"application/json","responseJsonSchema":{SCHEMA}"#),
        ),
        config(F::Temperature, "`temperature`", r#""temperature":0.4375"#),
        config(F::TopP, "`topP`", r#""topP":0.5625"#),
        config(F::TopK, "`topK`", r#""topK":37"#),
        config(F::Penalties, "`frequencyPenalty`, `presencePenalty`", r#""frequencyPenalty":0.3125"#),
        config(F::Seed, "`seed`", r#""seed":424242"#),
        config(F::StopSequences, "`stopSequences`", r#""stopSequences":["MARKSTOP"]"#),
        config(F::Logprobs, "`responseLogprobs`, `logprobs`", r#""responseLogprobs":true,"logprobs":3"#),
        config(F::Choices, "`candidateCount`", r#""candidateCount":2"#),
        config(
            F::ReasoningEffort,
            "`thinkingLevel`, `thinkingBudget`",
            r#""thinkingConfig":{"thinkingLevel":"HIGH"},"maxOutputTokens":30000"#,
        ),
        probe(
            F::PlainReasoning,
            "`thought`",
            &format!(
                r#"{hi},{{"role":"model","parts":[{{"text":"markthought","thought":true}},{{"text":"a"}}]}},{hi}"#
            ),
            "",
        ),
        config(
            F::AudioOutput,
            "`responseModalities`, `speechConfig`",
            r#""responseModalities":["AUDIO"],"speechConfig":{"voiceConfig":{"prebuiltVoiceConfig":{"voiceName":"markvoice"}}}"#,
        ),
        config(F::ImageOutput, "`responseModalities`, `imageConfig`", r#""responseModalities":["TEXT","IMAGE"]"#),
        member(
            F::SafetySettings,
            "`safetySettings`",
            r#""safetySettings":[{"category":"HARM_CATEGORY_HARASSMENT","threshold":"BLOCK_NONE"}]"#,
        ),
        member(F::CachedContent, "`cachedContent`", r#""cachedContent":"cachedContents/mark""#),
        member(F::ServiceTier, "`serviceTier`", r#""serviceTier":"standard""#),
        member(F::Metadata, "`labels`", r#""labels":{"marklabel":"x"}"#),
        member(F::Store, "`store`", r#""store":true"#),
        member(F::Unknown, "any", r#""x_mark":1"#),
    ]
}
