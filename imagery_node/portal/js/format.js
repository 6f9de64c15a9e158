// Dates, satellites and positions as people read them.

const LOCALE = { zh: "zh-CN", en: "en-GB" };
const DAY = { month: "short", day: "numeric", timeZone: "UTC" };
const FULL_DAY = { year: "numeric", month: "long", day: "numeric", timeZone: "UTC" };
const CLOCK = { hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" };

const FAMILIES = {
  gaofen: { zh: "高分", en: "Gaofen", short: "GF" },
  ziyuan: { zh: "资源", en: "Ziyuan", short: "ZY" },
  huanjing: { zh: "环境", en: "Huanjing", short: "HJ" },
};
const NUMERALS = ["", "一", "二", "三", "四", "五", "六", "七", "八", "九", "十"];

/** The part of a title in a language; titles of the node are "中文 · English", or one text for both. */
export function titleIn(title, language) {
  const [chinese, english = chinese] = title.split(" · ");
  return language === "zh" ? chinese : english;
}

/** "3月15日" or "15 Mar" of an ISO date. */
export const shortDay = (date, language) => new Date(date).toLocaleDateString(LOCALE[language], DAY);

/** "2024年3月15日" or "15 March 2024" of an ISO date. */
export const fullDay = (date, language) => new Date(date).toLocaleDateString(LOCALE[language], FULL_DAY);

/** "03:22:47" in a time zone. */
export const clock = (datetime, timeZone) => new Date(datetime).toLocaleTimeString("en-GB", { ...CLOCK, timeZone });

/** "高分二号" or "Gaofen-2" of the STAC platform "gaofen-2"; a platform of no known family stays as it is. */
export function platformName(platform, language) {
  const [, family, number, rest] = knownPlatform(platform);
  if (!family) return platform;
  return language === "zh" ? `${family.zh}${NUMERALS[number] ?? number}号${rest}` : `${family.en}-${number}${rest}`;
}

/** "GF-2" of the STAC platform "gaofen-2". */
export function platformCode(platform) {
  const [, family, number, rest] = knownPlatform(platform);
  return family ? `${family.short}-${number}${rest}` : platform;
}

function knownPlatform(platform) {
  const [, family, number, rest] = /^([a-z]+)-(\d+)(.*)$/.exec(platform) ?? [];
  return [platform, FAMILIES[family], number, rest?.toUpperCase()];
}

/** "116.39120°E  39.90690°N" of longitude and latitude in degrees. */
export function position([longitude, latitude]) {
  const degrees = (value, positive, negative) => `${Math.abs(value).toFixed(5)}°${value < 0 ? negative : positive}`;
  return `${degrees(longitude, "E", "W")}  ${degrees(latitude, "N", "S")}`;
}
