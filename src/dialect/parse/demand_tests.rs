//! What is noted of a request beside its text.

use crate::{
    dialect::parse,
    model::{Api, Ask, Demand, Draft},
};

fn read(api: Api, rest: &str) -> Ask {
    let body = format!(r#"{{"model":"m",{rest}}}"#);
    parse(api, Draft::copy_of(body.as_bytes())).expect(rest)
}

fn content(parts: &str) -> String {
    format!(r#""messages":[{{"role":"user","content":[{{"type":"text","text":"look"}},{parts}]}}]"#)
}

const BASE64: &str = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==";

#[test]
fn a_plain_chat_demands_nothing() {
    let ask = read(
        Api::ChatCompletions,
        r#""messages":[{"role":"user","content":"hi"}],"tools":[{"type":"function","function":{"name":"f","parameters":
        {"type":"object","properties":{"type":{"type":"string"},"image_url":{"type":"string"},"file_id":{"type":"string",
        "enum":["document","image"]},"url":{"type":"string"}}}}}]"#,
    );
    let want = Demand { readable_bytes: ask.body.len() as u64, tools: 1, ..Demand::default() };
    assert_eq!(ask.demand, want, "a schema is no content");
    assert!(ask.demand.is_text());
}

#[test]
fn members_that_only_openai_takes_are_seen_at_the_top_only() {
    let of_openai = |api, rest: &str| read(api, rest).demand.of_openai;
    let turns = r#""messages":[{"role":"user","content":"hi"}]"#;
    for member in [r#""stream_options":null"#, r#""logit_bias":{}"#, r#""user":"u""#] {
        assert!(of_openai(Api::ChatCompletions, &format!("{member},{turns}")), "{member}");
    }
    assert!(!of_openai(Api::ChatCompletions, &format!(r#""temperature":1,"metadata":{{"store":"x"}},{turns}"#)));
    for member in [r#""dimensions":256"#, r#""dimensions":null"#, r#""user":"u""#, r#""input_type":"query""#] {
        assert!(of_openai(Api::Embeddings, &format!(r#"{member},"input":"hi""#)), "{member}");
    }
    let plain = r#""input":"hi","encoding_format":"base64","output_dimension":256,"output_dtype":"int8""#;
    assert!(!of_openai(Api::Embeddings, plain), "what Mistral takes passes");
    assert!(!of_openai(Api::Completions, r#""prompt":"hi","user":"u""#), "it is asked of these two calls");
}

#[test]
fn pictures_are_counted_and_their_payload_is_no_text() {
    let cases = [
        (Api::ChatCompletions, r#"{"type":"image_url","image_url":{"url":"https://x/y.png"}}"#, 0, 0),
        (Api::ChatCompletions, r#"{"type":"image_url","image_url":{"url":"https://x/y.png","detail":"low"}}"#, 1, 0),
        (
            Api::ChatCompletions,
            r#"{"type":"image_url","image_url":{"detail":"l\u006fw","url":"data:image/png;base64,@"}}"#,
            1,
            1,
        ),
        (Api::ChatCompletions, r#"{"image_url":"https://x/y.png"}"#, 0, 0),
        (Api::ChatCompletions, r#"{"ty\u0070e":"im\u0061ge_url","image_url":{"url":"data:image/png;base64,@"}}"#, 0, 1),
        (Api::Responses, r#"{"type":"input_image","image_url":"data:image/png;base64,@","detail":"low"}"#, 1, 1),
        (Api::Responses, r#"{"type":"input_image","file_id":"file-1"}"#, 0, 0),
        (Api::Messages, r#"{"type":"image","source":{"type":"base64","media_type":"image/png","data":"@"}}"#, 0, 1),
        (Api::Messages, r#"{"type":"image","source":{"data":"@","type":"base64","media_type":"image/png"}}"#, 0, 1),
        (Api::Messages, r#"{"type":"image","source":{"type":"url","url":"https://x/y.png"}}"#, 0, 0),
        (Api::Messages, r#"{"type":"image","source":{"type":"file","file_id":"f"}}"#, 0, 0),
        (
            Api::Messages,
            r#"{"type":"tool_result","tool_use_id":"t","content":[{"type":"image","source":{"type":"base64","media_type":"image/png","data":"@"}}]}"#,
            0,
            1,
        ),
    ];
    for (api, part, low, inline) in cases {
        let ask = read(api, &content(&part.replace('@', BASE64)));
        let demand = &ask.demand;
        assert_eq!((demand.images, demand.images_low, &demand.unseen), (1, low, &None), "{part}");
        assert!(!demand.is_text(), "{part}");
        let payload = ask.body.len() as u64 - demand.readable_bytes;
        let least = if inline == 1 { BASE64.len() as u64 } else { 0 };
        assert!((least..=least + 30).contains(&payload), "{part}: {payload} bytes are no text");
        assert!(demand.first_media.as_deref().is_some_and(|path| path.starts_with("messages[0].content[1]")), "{part}");
    }
}

#[test]
fn what_looks_like_a_payload_elsewhere_is_text() {
    let arguments = format!(
        r#""messages":[{{"role":"assistant","content":[{{"type":"tool_use","id":"t","name":"f","input":
        {{"type":"image","source":{{"data":"{BASE64}","media_type":"x"}}}}}}]}}]"#
    );
    let prose = content(&format!(r#"{{"type":"text","text":"data:image/png;base64,{BASE64}"}}"#));
    let odd = content(&format!(r#"{{"type":"tool_result","content":[{{"data":"{BASE64}","format":"x"}}]}}"#));
    for rest in [&arguments, &prose, &odd] {
        let ask = read(Api::Messages, rest);
        assert_eq!((ask.demand.readable_bytes, ask.demand.images), (ask.body.len() as u64, 0), "{rest}");
    }
}

#[test]
fn input_that_is_not_in_the_body_is_found_with_its_path() {
    let chat = |part: &str| (Api::ChatCompletions, content(part));
    let messages = |part: &str| (Api::Messages, content(part));
    let responses = |rest: &str| (Api::Responses, rest.to_owned());
    let cases = [
        (chat(r#"{"type":"file","file":{"file_id":"f"}}"#), "messages[0].content[1].file.file_id"),
        (
            chat(r#"{"type":"file","file":{"file_data":"data:application/pdf;base64,AAAA"}}"#),
            "messages[0].content[1].file.file_data",
        ),
        (chat(r#"{"type":"video_url","video_url":{"url":"https://x"}}"#), "messages[0].content[1]"),
        (
            (Api::ChatCompletions, r#""messages":[{"role":"assistant","audio":{"id":"a"}}]"#.to_owned()),
            "messages[0].audio",
        ),
        (
            messages(r#"{"type":"document","source":{"type":"url","url":"https://x/y.pdf"}}"#),
            "messages[0].content[1].source.url",
        ),
        (
            messages(r#"{"type":"document","source":{"type":"base64","media_type":"application/pdf","data":"AAAA"}}"#),
            "messages[0].content[1].source.data",
        ),
        (
            chat(r#"{"type":"image_url","image_url":{"url":"data:application/pdf;base64,AAAA"}}"#),
            "messages[0].content[1].image_url.url",
        ),
        (
            chat(r#"{"type":"image_url","image_url":{"url":"\u0064ATA:application\/pdf;base64,AAAA"}}"#),
            "messages[0].content[1].image_url.url",
        ),
        (chat(r#"{"image_url":"data:,text"}"#), "messages[0].content[1].image_url"),
        (
            responses(
                r#""input":[{"role":"user","content":[{"type":"input_image","image_url":"data:text/csv;base64,AAAA"}]}]"#,
            ),
            "input[0].content[0].image_url",
        ),
        (
            messages(r#"{"type":"image","source":{"type":"base64","media_type":"application/pdf","data":"AAAA"}}"#),
            "messages[0].content[1].source.data",
        ),
        (messages(r#"{"type":"container_upload","file_id":"f"}"#), "messages[0].content[1].file_id"),
        ((Api::Messages, r#""messages":[],"container":"c""#.to_owned()), "container"),
        (responses(r#""input":"hi","previous_response_id":"resp_1""#), "previous_response_id"),
        (responses(r#""input":"hi","conversation":{"id":"conv_1"}"#), "conversation"),
        (responses(r#""prompt":{"id":"pmpt_1"}"#), "prompt"),
        (responses(r#""input":[{"type":"item_reference","id":"i"}]"#), "input[0]"),
        (responses(r#""input":[{"role":"user","content":"a"},{"id":"i"}]"#), "input[1]"),
        (
            responses(r#""input":[{"role":"user","content":[{"type":"input_file","file_url":"https://x"}]}]"#),
            "input[0].content[0].file_url",
        ),
    ];
    for ((api, rest), want) in cases {
        assert_eq!(read(api, &rest).demand.unseen.as_deref(), Some(want), "{rest}");
    }
    let escaped: String = "data:image/".bytes().map(|byte| format!("\\u{byte:04x}")).collect();
    let seen = [
        chat(r#"{"type":"image_url","image_url":{"url":"data:Image/png;base64,AAAA"}}"#),
        chat(&format!(r#"{{"type":"image_url","image_url":{{"url":"{escaped}png;base64,AAAA"}}}}"#)),
        messages(r#"{"type":"image","source":{"type":"base64","media_type":"image/png","data":"AAAA"}}"#),
        messages(r#"{"type":"document","source":{"type":"text","media_type":"text/plain","data":"words"}}"#),
        responses(
            r#""input":[{"type":"message","id":"m","role":"user","content":"a"},{"id":"m","role":"user","content":"b"}]"#,
        ),
        responses(r#""input":"hi","previous_response_id":null,"conversation":null,"prompt":null"#),
        (Api::Completions, r#""prompt":"hi","conversation":"no member of this call""#.to_owned()),
    ];
    for (api, rest) in seen {
        assert_eq!(read(api, &rest).demand.unseen, None, "{rest}");
    }
}

#[test]
fn cache_markers_are_found_wherever_they_stand() {
    let cases = [
        (r#""system":[{"type":"text","text":"a","cache_control":{"type":"ephemeral"}}]"#, (true, false)),
        (r#""system":[{"type":"text","text":"a","cache_control":{"type":"ephemeral","ttl":"5m"}}]"#, (true, false)),
        (r#""system":[{"type":"text","text":"a","cache_control":{"type":"ephemeral","ttl":"1h"}}]"#, (true, true)),
        (r#""tools":[{"name":"f","input_schema":{},"cache_control":{"ttl":"\u0031h"}}]"#, (true, true)),
        (r#""cache_control":{"type":"ephemeral"}"#, (true, false)),
        (r#""system":[{"type":"text","text":"a","cache_control":null}],"ttl":"1h""#, (false, false)),
    ];
    for (rest, want) in cases {
        let demand = read(Api::Messages, rest).demand;
        assert_eq!((demand.cache_writes, demand.cache_hour), want, "{rest}");
    }
    for (ttl, hour) in [("30m", false), ("12h", false), ("1h", true)] {
        let part = format!(r#"{{"type":"input_text","text":"a","prompt_cache_breakpoint":{{"ttl":"{ttl}"}}}}"#);
        let demand = read(Api::Responses, &format!(r#""input":[{{"role":"user","content":[{part}]}}]"#)).demand;
        assert_eq!((demand.cache_writes, demand.cache_hour), (true, hour), "{ttl}");
    }
}

#[test]
fn tools_that_the_provider_runs_are_told_from_those_of_the_client() {
    let names = |api, rest: &str| {
        let demand = read(api, rest).demand;
        let hosted = demand.hosted.into_iter().map(|tool| (tool.kind, tool.path, tool.max_uses, tool.sized_container));
        (demand.tools, demand.built_in_tools, hosted.collect::<Vec<_>>())
    };
    let tools = r#""tools":[{"type":"function","name":"f"},{"type":"custom","name":"g"},{"type":"computer_use_preview"},
        {"type":"web_search_preview"},{"type":"code_interpreter","container":{"type":"auto","memory_limit":"4g"}},
        {"type":"something_new"}],"max_tool_calls":3"#;
    let hosted = |kind: &str, path: &str, max_uses, sized| (kind.to_owned(), path.to_owned(), max_uses, sized);
    let want = vec![
        hosted("web_search_preview", "tools[3]", None, false),
        hosted("code_interpreter", "tools[4]", None, true),
        hosted("something_new", "tools[5]", None, false),
    ];
    assert_eq!(names(Api::Responses, tools), (6, 4, want));
    assert_eq!(read(Api::Responses, tools).demand.max_tool_calls, Some(3));
    let tools = r#""tools":[{"name":"f","input_schema":{}},{"type":"bash_20250124","name":"bash"},
        {"type":"web_search_20250305","name":"web_search","max_uses":5}],"mcp_servers":[{"type":"url","url":"https://x"}]"#;
    let want = vec![
        hosted("web_search_20250305", "tools[2]", Some(5), false),
        hosted("mcp_servers", "mcp_servers", None, false),
    ];
    assert_eq!(names(Api::Messages, tools), (3, 2, want));
}

#[test]
fn members_that_change_the_price_are_read() {
    let demand = read(
        Api::ChatCompletions,
        r#""service_tier":"flex","modalities":["text","audio"],"prediction":{"content":"abc"},"messages":[{"role":"user",
        "content":[{"type":"input_audio","input_audio":{"data":"AAAA","format":"wav"}}]}]"#,
    )
    .demand;
    assert_eq!((demand.service_tier.as_deref(), demand.audio_output), (Some("flex"), true));
    assert_eq!((demand.prediction_bytes, demand.images, demand.unseen), (17, 0, None));
    let sound = content(&format!(r#"{{"type":"input_audio","input_audio":{{"data":"{BASE64}","format":"wav"}}}}"#));
    assert_eq!(read(Api::ChatCompletions, &sound).demand.audio_bytes, BASE64.len() as u64);
    let demand = read(
        Api::Messages,
        r#""thinking":{"type":"enabled","budget_tokens":2048},"inference_geo":"us","speed":"fast","service_tier":"auto""#,
    )
    .demand;
    assert_eq!((demand.thinking_budget, demand.regional, demand.unpriced), (Some(2048), true, Some("speed")));
    assert_eq!(
        read(Api::Messages, r#""thinking":{"type":"adaptive"},"inference_geo":"global""#).demand.thinking_budget,
        None
    );
    for (api, rest, want) in [
        (Api::ChatCompletions, r#""web_search_options":{}"#, "web_search_options"),
        (Api::Responses, r#""background":true"#, "background"),
    ] {
        assert_eq!(read(api, rest).demand.unpriced, Some(want));
    }
}

#[test]
fn metadata_are_openais_string_pairs() {
    let rest = r#""metadata":{"project":"x","n":1,"user_id":"u","o":{"a":"b"},"\u0061":"\u0062"}"#;
    let pairs =
        [("project", "x"), ("user_id", "u"), ("a", "b")].map(|(name, value)| (name.to_owned(), value.to_owned()));
    assert_eq!(read(Api::ChatCompletions, rest).metadata, pairs);
    assert_eq!(read(Api::Messages, rest).metadata, [], "Anthropic's names a user and nothing else");
    let many: Vec<_> = (0..20).map(|n| format!(r#""k{n}":"v""#)).collect();
    assert_eq!(read(Api::Responses, &format!(r#""metadata":{{{}}}"#, many.join(","))).metadata.len(), 16);
}
