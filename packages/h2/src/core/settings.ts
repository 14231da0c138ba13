import type { Problem } from "./frame-rules.ts";
import { errorCode, frameBytesAtStart, frameBytesLimit, setting, windowMax } from "./protocol.ts";

/** What is wrong with one of the peer's settings (RFC 9113, 6.5.2); unknown ones are ignored. */
export function settingProblem(id: number, value: number): Problem | undefined {
  if (id === setting.enablePush && value > 1) {
    return { code: errorCode.protocol, reason: "SETTINGS_ENABLE_PUSH is neither 0 nor 1" };
  }
  if (id === setting.initialWindow && value > windowMax) {
    return { code: errorCode.flowControl, reason: "SETTINGS_INITIAL_WINDOW_SIZE is above 2^31 - 1" };
  }
  if (id === setting.frameBytesMax && (value < frameBytesAtStart || value > frameBytesLimit)) {
    return { code: errorCode.protocol, reason: "SETTINGS_MAX_FRAME_SIZE is not between 2^14 and 2^24 - 1" };
  }
  return undefined;
}
